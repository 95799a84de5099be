// The event queue: sends events as beacons after a delay, or when the user leaves the page. Beacons are not acknowledged.
'use strict';

const { profile, serviceUri, lingerSeconds } = require( './config.json' );

let waiting = [];
let timer = null;

function flush() {
	clearTimeout( timer );
	timer = null;
	// One beacon per event, or one array of all events, depending on the generation.
	const bodies = profile.beaconIsList && waiting.length ? [ waiting ] : waiting;
	// Bodies that the browser rejects because its beacon queue is full wait for the next flush.
	waiting = bodies.filter( ( body ) => {
		try {
			return !navigator.sendBeacon( serviceUri, JSON.stringify( body ) );
		} catch ( error ) {
			return false;
		}
	} ).flat();
	if ( waiting.length ) {
		schedule();
	}
}

function schedule() {
	if ( timer === null ) {
		timer = setTimeout( flush, lingerSeconds * 1000 );
	}
}

/**
 * Queue an event.
 *
 * @param {Object} event
 */
function add( event ) {
	waiting.push( event );
	if ( document.visibilityState === 'hidden' ) {
		// The event that triggers a flush has passed and may not happen again.
		flush();
	} else {
		schedule();
	}
}

document.addEventListener( 'visibilitychange', () => {
	if ( document.visibilityState === 'hidden' ) {
		flush();
	}
} );
window.addEventListener( 'pagehide', flush );

module.exports = { add };
