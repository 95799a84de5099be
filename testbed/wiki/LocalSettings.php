<?php
// Settings of TestWiki. What differs between installations is in settings.json, in the folder that DOGFOOD_WIKI names.

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

	// The settings that the real extensions take as well.
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

	// Those of the testbed's own extension.
	$GLOBALS['wgMetricsPlatformGeneration'] = $settings['generation'];
	$GLOBALS['wgMetricsPlatformEventProfile'] = $settings['profiles'][ $settings['generation'] ];
	$GLOBALS['wgMetricsPlatformConfigsTtlSeconds'] = $settings['configs_ttl_s'];
	$GLOBALS['wgMetricsPlatformInstruments'] = $settings['instruments'];

	foreach ( getenv( 'DOGFOOD_WIKI_SEEDING' ) ? [] : $settings['extensions'] as $name => $path ) {
		wfLoadExtension( $name, "$path/extension.json" );
	}
	if ( !isset( $settings['extensions']['ExperimentPlatform'] ) ) {
		// The real extensions have the instrument, and start it for experiments of their own only.
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
	// The router serves the JavaScript and the images of an extension from where it is.
	$GLOBALS['wgExtensionAssetsPath'] = '/extensions';
} )();

// Accounts have another id across wikis than here.
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
// SQLite has one writer at a time; the others wait for it rather than fail.
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

// Browsers see a changed configuration at once, not minutes later.
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

// A thousand test accounts log in at once: nothing slows them, and their random passwords need no slow hash.
$wgPasswordAttemptThrottle = [];
$wgRateLimits = [];
$wgPasswordConfig['pbkdf2']['cost'] = '1';
$wgPasswordDefault = 'pbkdf2';
$wgPasswordPolicy['policies']['default'] = [ 'MinimalPasswordLength' => [ 'value' => 8 ] ];
