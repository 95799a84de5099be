<?php
// Client of MPIC: fetches and caches the configs of experiments and instruments.

namespace ExperimentPlatform;

use MediaWiki\Http\HttpRequestFactory;
use Psr\Log\LoggerInterface;
use Wikimedia\ObjectCache\BagOStuff;

/**
 * Fetches experiments and instruments from MPIC, and caches the responses.
 *
 * Pages depend on it, so it never throws: it logs failures and invalid configs, and leaves them out.
 */
class Mpic {
	/** Seconds that a page waits for MPIC. */
	private const TIMEOUT = 1;

	/** Seconds that one request may take to refresh a response while others use the old one. */
	private const LOCK = 3;

	/** Seconds for which an expired response stays usable while another request refreshes it. */
	private const STALE = 86400;

	public const ALPHA = 'alpha';
	public const XLAB = 'xlab';

	public function __construct(
		private readonly HttpRequestFactory $http,
		private readonly BagOStuff $cache,
		private readonly LoggerInterface $logger,
		private readonly string $baseUrl,
		private readonly string $generation,
		private readonly float $ttl
	) {
	}

	/** Return the generation whose config formats are used. */
	public function generation(): string {
		return $this->generation;
	}

	/** Return the configs of experiments in MPIC's format, without entries that are not objects. */
	public function experiments(): array {
		return $this->cached( $this->experimentsPath() );
	}

	private function experimentsPath(): string {
		return $this->generation === self::XLAB
			? '/api/v1/experiments?format=config&authority=mediawiki'
			: '/api/v1/experiments';
	}

	private function key( string $path ): string {
		return $this->cache->makeGlobalKey( 'experiment-platform', md5( $this->baseUrl . $path ) );
	}

	/** Return the configs of instruments in MPIC's format, without entries that are not objects. */
	public function instruments(): array {
		return $this->cached( '/api/v1/instruments' );
	}

	/** Return the time of the last change of the experiments, in seconds since 1970. */
	public function experimentsChangedAt(): int {
		$this->experiments();
		$known = $this->cache->get( $this->key( $this->experimentsPath() ) );
		return is_array( $known ) ? $known['changed'] : time();
	}

	/** Log why a config is not used. */
	public function logUnused( string $what, array $config ): void {
		$this->logger->warning( '{what} (config {slug})', [
			'what' => $what,
			'slug' => json_encode( $config['slug'] ?? $config['name'] ?? null ),
		] );
	}

	private function cached( string $path ): array {
		if ( $this->baseUrl === '' ) {
			return [];
		}
		$key = $this->key( $path );
		$known = $this->cache->get( $key );
		if ( is_array( $known ) && microtime( true ) < $known['until'] ) {
			return $known['configs'];
		}
		$lock = $key . ':refreshing';
		if ( is_array( $known ) && !$this->cache->add( $lock, 1, self::LOCK ) ) {
			return $known['configs'];
		}
		$configs = $this->fetch( $path );
		$same = is_array( $known ) && $known['configs'] === $configs;
		$this->cache->set( $key, [
			'configs' => $configs,
			'until' => microtime( true ) + $this->ttl,
			'changed' => $same ? $known['changed'] : time(),
		], self::STALE );
		$this->cache->delete( $lock );
		return $configs;
	}

	private function fetch( string $path ): array {
		$url = rtrim( $this->baseUrl, '/' ) . $path;
		$request = $this->http->create(
			$url, [ 'timeout' => self::TIMEOUT, 'connectTimeout' => self::TIMEOUT ], __METHOD__
		);
		$status = $request->execute();
		$configs = $status->isOK() ? json_decode( $request->getContent(), true ) : null;
		if ( !is_array( $configs ) || !array_is_list( $configs ) ) {
			$this->logger->error( 'MPIC did not return a list of configs at {url}: {status}', [
				'url' => $url,
				'status' => $status->isOK() ? 'status ' . $request->getStatus() : (string)$status,
			] );
			return [];
		}
		return array_values( array_filter( $configs, 'is_array' ) );
	}
}
