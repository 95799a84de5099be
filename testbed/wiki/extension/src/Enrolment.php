<?php
// Enrolment: assigns a registered user to the groups of active experiments, for the page's JavaScript.

namespace ExperimentPlatform;

use MediaWiki\Request\WebRequest;
use MediaWiki\User\CentralId\CentralIdLookup;
use MediaWiki\User\User;

/** Computes the experiments and groups of a registered user. */
class Enrolment {
	private const UNSAMPLED = 'unsampled';
	private const SAMPLING_UNIT = 'mw-user';

	public function __construct(
		private readonly Mpic $mpic,
		private readonly CentralIdLookup $centralIds,
		private readonly string $wiki,
		private readonly bool $enabled,
		private readonly bool $overridable
	) {
	}

	/** Return the value of `wgMetricsPlatformUserExperiments`; empty when no experiment is active. */
	public function of( User $user, WebRequest $request ): array {
		if ( !$this->enabled ) {
			return [];
		}
		return $this->mpic->generation() === Mpic::XLAB
			? $this->xlab( $user, $request )
			: $this->alpha( $user, $request );
	}

	private function alpha( User $user, WebRequest $request ): array {
		$requested = $this->overridable ? Overrides::read( $request, 3 ) : [];
		$active = $enrolled = $assigned = $features = [];
		foreach ( $this->mpic->experiments() as $config ) {
			$slug = $config['slug'] ?? null;
			$rate = Assignment::rate( $config['sample_rate'] ?? null, $this->wiki );
			if ( empty( $config['status'] ) || !$rate ) {
				continue;
			}
			if ( !self::isName( $slug ) ) {
				$this->mpic->logUnused( 'An experiment without a slug is not used', $config );
				continue;
			}
			$active[] = $slug;
			$digest = Assignment::digest( Mpic::ALPHA, $user->getId(), $slug );
			foreach ( $this->features( $config ) as $feature => $groups ) {
				$group = Assignment::group( $digest, $groups, $rate );
				$wanted = $requested["$slug:$feature"] ?? null;
				if ( $wanted !== null ) {
					$group = in_array( $wanted, $groups, true ) ? $wanted : null;
				}
				$features[$slug][] = $feature;
				$assigned[$feature] = $group ?? self::UNSAMPLED;
				if ( $group !== null && !in_array( $slug, $enrolled, true ) ) {
					$enrolled[] = $slug;
				}
			}
		}
		if ( !$active ) {
			return [];
		}
		return [ 'enrolled' => $enrolled, 'assigned' => (object)$assigned, 'features' => (object)$features ];
	}

	/** Return the groups of each feature of an alpha experiment, without invalid features. */
	private function features( array $config ): array {
		$usable = [];
		foreach ( is_array( $config['features'] ?? null ) ? $config['features'] : [] as $name => $feature ) {
			$values = is_array( $feature ) ? ( $feature['values'] ?? null ) : null;
			$groups = is_array( $values ) ? array_map( [ self::class, 'text' ], array_values( $values ) ) : [];
			if ( !$groups || in_array( null, $groups, true ) || in_array( '', $groups, true ) ) {
				$this->mpic->logUnused( "Feature '$name' has no usable values and is not used", $config );
				continue;
			}
			$usable[(string)$name] = $groups;
		}
		return $usable;
	}

	/** Return a value as a group name: `true` is "true", 3 is "3"; null when that is impossible. */
	private static function text( mixed $value ): ?string {
		return is_bool( $value ) ? ( $value ? 'true' : 'false' ) : ( is_scalar( $value ) ? (string)$value : null );
	}

	private function xlab( User $user, WebRequest $request ): array {
		$requested = $this->overridable ? Overrides::read( $request, 2 ) : [];
		$id = $this->centralIds->centralIdFromLocalUser( $user, CentralIdLookup::AUDIENCE_RAW );
		$active = $overrides = $assigned = $subjects = $units = [];
		foreach ( $this->mpic->experiments() as $config ) {
			$name = $config['name'] ?? null;
			$groups = $config['groups'] ?? null;
			$rate = Assignment::rate( $config['sample_rate'] ?? null, $this->wiki );
			if ( !self::isName( $name ) || !self::areGroups( $groups ) || $rate === null ) {
				$this->mpic->logUnused( 'An experiment without name, groups or sample rate is not used', $config );
				continue;
			}
			if ( !$rate || !$this->isActive( $config ) ) {
				continue;
			}
			$active[] = $name;
			$digest = Assignment::digest( Mpic::XLAB, $id, $name );
			$group = $id ? Assignment::group( $digest, $groups, $rate ) : null;
			$forced = in_array( $requested[$name] ?? null, $groups, true );
			if ( $forced ) {
				$group = $requested[$name];
				$overrides[] = $name;
			}
			if ( $group !== null ) {
				$assigned[$name] = $group;
				$subjects[$name] = $digest;
				$units[$name] = self::SAMPLING_UNIT;
			}
		}
		if ( !$active ) {
			return [];
		}
		return [
			'active_experiments' => $active,
			'overrides' => $overrides,
			'enrolled' => array_map( 'strval', array_keys( $assigned ) ),
			'assigned' => (object)$assigned,
			'subject_ids' => (object)$subjects,
			'sampling_units' => (object)$units,
		];
	}

	private function isActive( array $config ): bool {
		$start = self::moment( $config['start'] ?? null );
		$end = self::moment( $config['end'] ?? null );
		if ( $start === null || $end === null ) {
			$this->mpic->logUnused( 'An experiment whose dates cannot be read is not used', $config );
			return false;
		}
		return $start <= time() && time() <= $end;
	}

	private static function moment( mixed $text ): ?int {
		$moment = is_string( $text ) && $text !== '' ? strtotime( $text ) : false;
		return $moment === false ? null : $moment;
	}

	private static function isName( mixed $value ): bool {
		return is_string( $value ) && $value !== '';
	}

	private static function areGroups( mixed $value ): bool {
		return is_array( $value ) && $value && array_is_list( $value )
			&& count( array_filter( $value, [ self::class, 'isName' ] ) ) === count( $value );
	}
}
