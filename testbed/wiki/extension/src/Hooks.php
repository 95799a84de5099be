<?php
// Hook handlers: give the page its user's experiments and load the client.

namespace ExperimentPlatform;

use MediaWiki\Config\Config;
use MediaWiki\MediaWikiServices;
use MediaWiki\Output\Hook\BeforePageDisplayHook;
use MediaWiki\Output\Hook\OutputPageCheckLastModifiedHook;
use MediaWiki\ResourceLoader\Context;

/** Handlers of MediaWiki's hooks. */
class Hooks implements BeforePageDisplayHook, OutputPageCheckLastModifiedHook {
	public function __construct(
		private readonly Enrolment $enrolment,
		private readonly Mpic $mpic,
		private readonly Config $config
	) {
	}

	/**
	 * Treat a page as modified when the experiments change. Otherwise a browser would keep an old enrolment with its
	 * cached page. A page with an override is never cached.
	 *
	 * @inheritDoc
	 */
	public function onOutputPageCheckLastModified( &$modifiedTimes, $out ) {
		if ( $out->getUser()->isNamed() ) {
			$overridden = Overrides::isRequested( $out->getRequest() );
			$modifiedTimes['experiments'] = wfTimestamp(
				TS_MW, $overridden ? time() + 1 : $this->mpic->experimentsChangedAt()
			);
		}
	}

	/** @inheritDoc */
	public function onBeforePageDisplay( $out, $skin ): void {
		$user = $out->getUser();
		if ( $user->isNamed() ) {
			$out->addJsConfigVars(
				'wgMetricsPlatformUserExperiments', $this->enrolment->of( $user, $out->getRequest() )
			);
		}
		if ( $this->config->get( 'EventLoggingServiceUri' ) ) {
			$out->addModules( 'ext.experimentPlatform' );
		}
	}

	/** Return the client's configuration, which is the same for every user. */
	public static function clientConfig( Context $context, Config $config ): array {
		$streams = MediaWikiServices::getInstance()->get( 'ExperimentPlatform.StreamConfigs' );
		return [
			'profile' => $config->get( 'MetricsPlatformEventProfile' ),
			'serviceUri' => $config->get( 'EventLoggingServiceUri' ),
			'lingerSeconds' => $config->get( 'EventLoggingQueueLingerSeconds' ),
			'streams' => (object)$streams->get( $config->get( 'EventLoggingStreamNames' ) ),
			'instruments' => $config->get( 'MetricsPlatformInstruments' ),
		];
	}
}
