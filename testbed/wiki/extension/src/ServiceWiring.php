<?php
// Service wiring: constructs the extension's services from the wiki's configuration.

use ExperimentPlatform\Enrolment;
use ExperimentPlatform\Mpic;
use ExperimentPlatform\StreamConfigs;
use MediaWiki\Logger\LoggerFactory;
use MediaWiki\MediaWikiServices;

return [
	'ExperimentPlatform.Mpic' => static function ( MediaWikiServices $services ): Mpic {
		$config = $services->getMainConfig();
		return new Mpic(
			$services->getHttpRequestFactory(),
			$services->getLocalServerObjectCache(),
			LoggerFactory::getInstance( 'ExperimentPlatform' ),
			(string)$config->get( 'MetricsPlatformInstrumentConfiguratorBaseUrl' ),
			(string)$config->get( 'MetricsPlatformGeneration' ),
			(float)$config->get( 'MetricsPlatformConfigsTtlSeconds' )
		);
	},
	'ExperimentPlatform.Enrolment' => static function ( MediaWikiServices $services ): Enrolment {
		$config = $services->getMainConfig();
		return new Enrolment(
			$services->get( 'ExperimentPlatform.Mpic' ),
			$services->getCentralIdLookup(),
			(string)$config->get( 'DBname' ),
			(bool)$config->get( 'MetricsPlatformEnableExperiments' ),
			(bool)$config->get( 'MetricsPlatformEnableExperimentOverrides' )
		);
	},
	'ExperimentPlatform.StreamConfigs' => static function ( MediaWikiServices $services ): StreamConfigs {
		$config = $services->getMainConfig();
		return new StreamConfigs(
			$services->get( 'ExperimentPlatform.Mpic' ),
			(array)$config->get( 'EventStreams' ),
			(string)$config->get( 'DBname' ),
			$config->get( 'MetricsPlatformEnableStreamConfigsFetching' )
				&& $config->get( 'MetricsPlatformEnableStreamConfigsMerging' )
		);
	},
];
