<?php

namespace ExperimentPlatform;

use MediaWiki\Request\WebRequest;

/** What `?mpo=` or a cookie of that name, with the wiki's prefix, asks for: groups, whatever the hash says. */
class Overrides {
	private const NAME = 'mpo';

	/**
	 * Return the last word of each well-formed entry, by the words before it joined by a colon. The query wins.
	 *
	 * @param WebRequest $request
	 * @param int $words How many words an entry has; entries with more or fewer are ignored
	 * @return array<string,string>
	 */
	public static function read( WebRequest $request, int $words ): array {
		$text = self::text( $request );
		$found = [];
		foreach ( explode( ';', $text ) as $entry ) {
			$parts = array_map( 'trim', explode( ':', $entry ) );
			if ( count( $parts ) === $words && !in_array( '', $parts, true ) ) {
				$value = array_pop( $parts );
				$found[ implode( ':', $parts ) ] = $value;
			}
		}
		return $found;
	}

	/** Return whether anything is asked for. */
	public static function isAsked( WebRequest $request ): bool {
		return self::text( $request ) !== '';
	}

	private static function text( WebRequest $request ): string {
		return $request->getRawVal( self::NAME ) ?? $request->getCookie( self::NAME ) ?? '';
	}
}
