<?php

namespace ExperimentPlatform;

use MediaWiki\Config\Config;
use MediaWiki\MediaWikiServices;
use MediaWiki\Output\Hook\BeforePageDisplayHook;
use MediaWiki\Output\Hook\OutputPageCheckLastModifiedHook;
use MediaWiki\ResourceLoader\Context;

/** Where the extension meets the wiki: the page is told of its user's experiments, and gets the client. */
class Hooks implements BeforePageDisplayHook, OutputPageCheckLastModifiedHook {
	public function __construct(
		private readonly Enrolment $enrolment,
		private readonly Mpic $mpic,
		private readonly Config $config
	) {
	}

	/**
	 * A page that has not changed is not sent again, and with it a browser would keep an old enrolment: so a page is as
	 * new as the experiments are. What an override asks for has no time.
	 *
	 * @inheritDoc
	 */
	public function onOutputPageCheckLastModified( &$modifiedTimes, $out ) {
		if ( $out->getUser()->isNamed() ) {
			$overridden = Overrides::isAsked( $out->getRequest() );
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

	/** Return what the JavaScript needs to know, the same for every user. */
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
