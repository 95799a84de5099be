<?php

namespace ExperimentPlatform;

use MediaWiki\Http\HttpRequestFactory;
use Psr\Log\LoggerInterface;
use Wikimedia\ObjectCache\BagOStuff;

/**
 * Asks MPIC for experiments and instruments, and remembers the answers.
 *
 * Pages depend on it, so it never throws: what cannot be fetched or makes no sense is left out and logged.
 */
class Mpic {
	/** Seconds a page waits for MPIC. */
	private const TIMEOUT = 1;

	/** Seconds one request may take to refresh an answer while others use the old one. */
	private const LOCK = 3;

	/** Seconds an old answer stays usable while somebody asks for a new one. */
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

	/** Return the generation whose shapes are used. */
	public function generation(): string {
		return $this->generation;
	}

	/** Return the configs of experiments, as MPIC serves them; those that are no objects are left out. */
	public function experiments(): array {
		return $this->remembered( $this->experimentsPath() );
	}

	private function experimentsPath(): string {
		return $this->generation === self::XLAB
			? '/api/v1/experiments?format=config&authority=mediawiki'
			: '/api/v1/experiments';
	}

	private function key( string $path ): string {
		return $this->cache->makeGlobalKey( 'experiment-platform', md5( $this->baseUrl . $path ) );
	}

	/** Return the configs of instruments, likewise. */
	public function instruments(): array {
		return $this->remembered( '/api/v1/instruments' );
	}

	/** Return when the experiments last became others than they were, in seconds since 1970. */
	public function experimentsChangedAt(): int {
		$this->experiments();
		$known = $this->cache->get( $this->key( $this->experimentsPath() ) );
		return is_array( $known ) ? $known['changed'] : time();
	}

	/** Tell in the log what is wrong with a config that is not used. */
	public function complain( string $what, array $config ): void {
		$this->logger->warning( '{what} (config {slug})', [
			'what' => $what,
			'slug' => json_encode( $config['slug'] ?? $config['name'] ?? null ),
		] );
	}

	private function remembered( string $path ): array {
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
			$this->logger->error( 'MPIC answered no list of configs at {url}: {status}', [
				'url' => $url,
				'status' => $status->isOK() ? 'status ' . $request->getStatus() : (string)$status,
			] );
			return [];
		}
		return array_values( array_filter( $configs, 'is_array' ) );
	}
}
