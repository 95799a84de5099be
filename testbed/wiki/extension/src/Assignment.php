<?php
// Sampling and bucketing: the hash of a subject and an experiment decides both.

namespace ExperimentPlatform;

/** The arithmetic of sampling and bucketing with one 24-bit hash. */
class Assignment {
	private const HASH_SIZE = 0x1000000;

	/** Return the digest of a subject in an experiment, in lower-case hex. */
	public static function digest( string $generation, int $userId, string $experiment ): string {
		return hash( $generation === Mpic::XLAB ? 'sha256' : 'md5', $userId . $experiment );
	}

	/**
	 * Return the group of a subject, or null when it is not in the sample.
	 *
	 * @param string $digest Digest of the subject in the experiment
	 * @param string[] $groups Groups in the config's order
	 * @param float $rate Sample rate, 0 to 1
	 */
	public static function group( string $digest, array $groups, float $rate ): ?string {
		$scaled = hexdec( substr( $digest, 0, 6 ) ) / self::HASH_SIZE * max( 1, count( $groups ) );
		return fmod( $scaled, 1 ) < $rate ? ( $groups[(int)$scaled] ?? null ) : null;
	}

	/**
	 * Return the sample rate of a wiki, or null when the config has no valid one.
	 *
	 * @param mixed $rates Such as `{"default": 0.5, "0.1": ["frwiki"]}`: keys other than `default` are rates
	 * @param string $wiki Database name
	 */
	public static function rate( $rates, string $wiki ): ?float {
		if ( !is_array( $rates ) ) {
			return null;
		}
		foreach ( $rates as $key => $wikis ) {
			if ( $key !== 'default' && is_array( $wikis ) && in_array( $wiki, $wikis, true ) ) {
				return self::number( $key );
			}
		}
		return self::number( $rates['default'] ?? null );
	}

	/**
	 * Return the rate in the format of exported stream configs: a key such as "0.1" stays a string.
	 *
	 * @param array $rates Same as in `rate`
	 * @param string $wiki Database name
	 * @return int|float|string
	 */
	public static function exportedRate( array $rates, string $wiki ) {
		$own = array_filter( $rates, static fn ( $wikis ) => is_array( $wikis ) && in_array( $wiki, $wikis, true ) );
		return array_key_first( $own ) ?? $rates['default'];
	}

	private static function number( mixed $value ): ?float {
		return is_numeric( $value ) && $value >= 0 && $value <= 1 ? (float)$value : null;
	}
}
