<?php
// Router of PHP's built-in server: page addresses, entry points and static files.

$root = getenv( 'DOGFOOD_WIKI_RELEASE' );
$settings = json_decode( (string)file_get_contents( getenv( 'DOGFOOD_WIKI' ) . '/settings.json' ), true );
$path = rawurldecode( (string)parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH ) );
const ENTRY_POINTS = [ '/index.php', '/api.php', '/load.php', '/rest.php' ];
const TYPES = [
	'css' => 'text/css', 'js' => 'text/javascript', 'svg' => 'image/svg+xml', 'png' => 'image/png', 'gif' => 'image/gif',
	'jpg' => 'image/jpeg', 'woff2' => 'font/woff2', 'ico' => 'image/x-icon',
];

function serve_entry( string $root, string $script ): void {
	$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $script;
	$_SERVER['SCRIPT_FILENAME'] = $root . $script;
	chdir( $root );
	require $root . $script;
}

// Parts of the cache keys of the testbed's extension and of the real one.
const CONFIG_KEYS = [ 'experiment-platform', 'MetricsPlatform' ];

/** Delete the cached responses of MPIC, so that the next page fetches them again; return the number of entries. */
function forget_configs( string $folder ): int {
	$forgotten = 0;
	if ( function_exists( 'apcu_delete' ) && apcu_enabled() ) {
		foreach ( new APCUIterator( '/' . implode( '|', CONFIG_KEYS ) . '/', APC_ITER_KEY ) as $entry ) {
			$forgotten += (int)apcu_delete( $entry['key'] );
		}
	}
	foreach ( glob( "$folder/data/*.sqlite" ) as $file ) {
		$database = new PDO( "sqlite:$file" );
		$database->setAttribute( PDO::ATTR_TIMEOUT, 30 );
		foreach ( [ 'objectcache', 'objectstash' ] as $table ) {
			if ( $database->query( "SELECT 1 FROM sqlite_master WHERE name = '$table'" )->fetch() ) {
				foreach ( CONFIG_KEYS as $key ) {
					$forgotten += $database->exec( "DELETE FROM $table WHERE keyname LIKE '%$key%'" );
				}
			}
		}
	}
	return $forgotten;
}

if ( $path === '/testbed/forget-configs' ) {
	// A form on another site cannot send this header.
	if ( $_SERVER['REQUEST_METHOD'] !== 'POST' || ( $_SERVER['HTTP_X_REQUESTED_WITH'] ?? '' ) !== 'dogfood' ) {
		http_response_code( 403 );
		return true;
	}
	header( 'Content-Type: application/json' );
	echo json_encode( [ 'forgotten' => forget_configs( getenv( 'DOGFOOD_WIKI' ) ) ] );
	return true;
}
if ( $path === '/healthz' ) {
	$_SERVER['QUERY_STRING'] = 'action=query&meta=siteinfo&format=json';
	$_GET = [ 'action' => 'query', 'meta' => 'siteinfo', 'format' => 'json' ];
	serve_entry( $root, '/api.php' );
	return true;
}
if ( in_array( $path, ENTRY_POINTS, true ) ) {
	serve_entry( $root, $path );
	return true;
}
if ( $path === '/' || str_starts_with( $path, '/wiki/' ) ) {
	serve_entry( $root, '/index.php' );
	return true;
}

$file = null;
if ( preg_match( '!^/(resources|skins)/!', $path ) ) {
	$file = realpath( $root . $path );
	$within = realpath( $root );
} elseif ( preg_match( '!^/extensions/([^/]+)/(.+)$!', $path, $parts ) ) {
	$folder = $settings['extensions'][$parts[1]] ?? null;
	$within = $folder === null ? false : realpath( $folder );
	$file = $within === false ? false : realpath( "$within/$parts[2]" );
}
$type = TYPES[ strtolower( pathinfo( (string)$file, PATHINFO_EXTENSION ) ) ] ?? null;
if ( !$file || $type === null || !str_starts_with( $file, $within . '/' ) ) {
	http_response_code( 404 );
	header( 'Content-Type: text/plain' );
	echo "There is no $path here.";
	return true;
}
header( "Content-Type: $type" );
header( 'Cache-Control: max-age=3600' );
readfile( $file );
return true;
