<?php
// Stream configs of the wiki, with those of MPIC's instruments.

namespace ExperimentPlatform;

/** Combines the wiki's stream configs with one for each instrument that is switched on. */
class StreamConfigs {
	private const SCHEMA_TITLE = 'analytics/product_metrics/web/base';
	private const DESTINATION = 'eventgate-analytics-external';
	private const DATA_CENTRES = [ 'eqiad', 'codfw' ];

	public function __construct(
		private readonly Mpic $mpic,
		private readonly array $own,
		private readonly string $wiki,
		private readonly bool $merging
	) {
	}

	/**
	 * Return the configs by stream.
	 *
	 * @param string[]|null $streams Names of streams; all when null
	 */
	public function get( ?array $streams = null ): array {
		$configs = $this->own + ( $this->merging ? $this->fromInstruments() : [] );
		if ( $streams !== null ) {
			$configs = array_intersect_key( $configs, array_flip( $streams ) );
		}
		foreach ( $configs as $stream => $config ) {
			$configs[$stream] += [
				'stream' => $stream,
				'topics' => array_map( static fn ( $centre ) => "$centre.$stream", self::DATA_CENTRES ),
			];
		}
		return $configs;
	}

	private function fromInstruments(): array {
		$configs = [];
		foreach ( $this->mpic->instruments() as $instrument ) {
			$stream = $instrument['stream_name'] ?? null;
			$rate = Assignment::rate( $instrument['sample_rate'] ?? null, $this->wiki );
			if ( empty( $instrument['status'] ) ) {
				continue;
			}
			if ( !is_string( $stream ) || $stream === '' || $rate === null ) {
				$this->mpic->logUnused( 'An instrument without stream or sample rate is not used', $instrument );
				continue;
			}
			$rate = Assignment::exportedRate( $instrument['sample_rate'], $this->wiki );
			$attributes = $instrument['contextual_attributes'] ?? [];
			$configs[$stream] = [
				'schema_title' => self::SCHEMA_TITLE,
				'producers' => [ 'metrics_platform_client' => [
					'provide_values' => is_array( $attributes ) ? array_values( $attributes ) : [],
				] ],
				'sample' => [ 'rate' => $rate, 'unit' => $instrument['sample_unit'] ?? null ],
				'destination_event_service' => self::DESTINATION,
			];
		}
		return $configs;
	}
}
