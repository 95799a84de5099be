<?php
// Overrides: groups that a request chooses with the query parameter or cookie `mpo`.

namespace ExperimentPlatform;

use MediaWiki\Request\WebRequest;

/** Reads `?mpo=`, or the cookie of that name with the wiki's prefix. An override takes precedence over the hash. */
class Overrides {
	private const NAME = 'mpo';

	/**
	 * Return the last word of each valid entry, by the preceding words joined with colons. The query takes precedence.
	 *
	 * @param WebRequest $request
	 * @param int $words Number of words of a valid entry; other entries are ignored
	 * @return array<string,string>
	 */
	public static function read( WebRequest $request, int $words ): array {
		$text = self::text( $request );
		$overrides = [];
		foreach ( explode( ';', $text ) as $entry ) {
			$parts = array_map( 'trim', explode( ':', $entry ) );
			if ( count( $parts ) === $words && !in_array( '', $parts, true ) ) {
				$value = array_pop( $parts );
				$overrides[ implode( ':', $parts ) ] = $value;
			}
		}
		return $overrides;
	}

	/** Return whether the request has an override. */
	public static function isRequested( WebRequest $request ): bool {
		return self::text( $request ) !== '';
	}

	private static function text( WebRequest $request ): string {
		return $request->getRawVal( self::NAME ) ?? $request->getCookie( self::NAME ) ?? '';
	}
}
