<?php
// Settings of TestWiki. Settings of one installation are in settings.json, in the folder DOGFOOD_WIKI.

if ( !defined( 'MEDIAWIKI' ) ) {
	exit;
}

( static function () {
	$folder = getenv( 'DOGFOOD_WIKI' );
	$settings = json_decode( (string)file_get_contents( "$folder/settings.json" ), true );
	if ( !is_array( $settings ) ) {
		throw new RuntimeException( "$folder/settings.json cannot be read" );
	}

	$GLOBALS['wgServer'] = $settings['server'];
	$GLOBALS['wgSecretKey'] = $settings['secret'];
	$GLOBALS['wgDBname'] = $settings['database'];
	$GLOBALS['wgSQLiteDataDir'] = "$folder/data";
	$GLOBALS['wgCacheDirectory'] = "$folder/cache";
	$GLOBALS['wgUploadDirectory'] = "$folder/images";

	// Settings that the real extensions have too.
	$GLOBALS['wgEventLoggingServiceUri'] = $settings['intake'];
	$GLOBALS['wgMetricsPlatformInstrumentConfiguratorBaseUrl'] = $settings['mpic'];
	$GLOBALS['wgEventLoggingQueueLingerSeconds'] = $settings['linger_s'];
	$GLOBALS['wgEventLoggingStreamNames'] = array_values( array_unique(
		array_column( $settings['instruments'], 'stream' )
	) );
	$GLOBALS['wgEventStreams'] = $settings['streams'];
	$GLOBALS['wgEnableEventBus'] = 'TYPE_NONE';
	$GLOBALS['wgMetricsPlatformEnableStreamConfigsFetching'] = true;
	$GLOBALS['wgMetricsPlatformEnableStreamConfigsMerging'] = true;
	$GLOBALS['wgMetricsPlatformEnableExperiments'] = true;
	$GLOBALS['wgMetricsPlatformEnableExperimentConfigsFetching'] = true;
	$GLOBALS['wgMetricsPlatformExperimentEventIntakeServiceUrl'] = $settings['intake'];
	$GLOBALS['wgMetricsPlatformEnableExperimentOverrides'] = true;
	$GLOBALS['wgWMEExLabTest1Enabled'] = true;

	// Settings of the testbed's extension.
	$GLOBALS['wgMetricsPlatformGeneration'] = $settings['generation'];
	$GLOBALS['wgMetricsPlatformEventProfile'] = $settings['profiles'][ $settings['generation'] ];
	$GLOBALS['wgMetricsPlatformConfigsTtlSeconds'] = $settings['configs_ttl_s'];
	$GLOBALS['wgMetricsPlatformInstruments'] = $settings['instruments'];

	foreach ( getenv( 'DOGFOOD_WIKI_SEEDING' ) ? [] : $settings['extensions'] as $name => $path ) {
		wfLoadExtension( $name, "$path/extension.json" );
	}
	if ( !isset( $settings['extensions']['ExperimentPlatform'] ) ) {
		// The real extensions contain the instrument, but start it only for Wikimedia's experiments.
		$GLOBALS['wgResourceModules']['testbed.instruments'] = [
			'localBasePath' => __DIR__ . '/starter',
			'packageFiles' => [ 'start.js', [ 'name' => 'config.json', 'content' => [
				'instruments' => $settings['instruments'],
				'schema' => $settings['profiles'][ $settings['generation'] ]['schema'],
			] ] ],
		];
		$GLOBALS['wgHooks']['BeforePageDisplay'][] = static function ( $out ) {
			$out->addModules( 'testbed.instruments' );
		};
	}
	// The router serves the JavaScript and images of an extension from the extension's folder.
	$GLOBALS['wgExtensionAssetsPath'] = '/extensions';
} )();

// Accounts have a central id that differs from their local id.
$wgCentralIdLookupProviders['testbed'] = [
	'services' => [ 'MainConfig', 'DBLoadBalancerFactory', 'HideUserUtils' ],
	'factory' => static function ( ...$services ) {
		require_once __DIR__ . '/CentralIds.php';
		return new Testbed\CentralIds( ...$services );
	},
];
$wgCentralIdLookupProvider = 'testbed';

$wgSitename = 'TestWiki';
$wgScriptPath = '';
$wgArticlePath = '/wiki/$1';
$wgLanguageCode = 'en';
$wgLocaltimezone = 'UTC';

$wgDBtype = 'sqlite';
// SQLite allows one writer at a time; other writers wait instead of failing.
$wgSQLiteBusyTimeout = 30000;
$wgMainCacheType = $wgSessionCacheType = $wgParserCacheType = function_exists( 'apcu_fetch' ) ? CACHE_ACCEL : CACHE_DB;
$wgObjectCaches[CACHE_DB] = [
	'class' => SqlBagOStuff::class,
	'server' => [
		'type' => 'sqlite', 'dbname' => 'wikicache', 'tablePrefix' => '', 'dbDirectory' => $wgSQLiteDataDir,
		'variables' => [ 'synchronous' => 'NORMAL' ], 'trxMode' => 'IMMEDIATE', 'flags' => 0,
	],
];
$wgLocalisationCacheConf['store'] = 'files';
$wgJobRunRate = 0;
$wgMiserMode = true;

// Browsers load a changed configuration immediately, not minutes later.
$wgResourceLoaderMaxage = [ 'versioned' => 3600, 'unversioned' => 1 ];

wfLoadSkin( 'Vector' );
$wgDefaultSkin = 'vector-2022';
$wgDefaultUserOptions['vector-main-menu-pinned'] = 1;

$wgEnableEmail = false;
$wgPingback = false;
$wgEnableUploads = false;
$wgUseInstantCommons = false;
$wgAutoConfirmAge = 0;
$wgAutoConfirmCount = 0;

// A thousand test accounts log in at the same time: no throttling, and no slow hash for their random passwords.
$wgPasswordAttemptThrottle = [];
$wgRateLimits = [];
$wgPasswordConfig['pbkdf2']['cost'] = '1';
$wgPasswordDefault = 'pbkdf2';
$wgPasswordPolicy['policies']['default'] = [ 'MinimalPasswordLength' => [ 'value' => 8 ] ];
