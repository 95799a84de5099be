'use strict';

/*
 * Events wait a while, so that measuring does not compete with reading; but never longer than the page is there.
 * Nobody learns whether an event arrived: that is how beacons are.
 */

const { profile, serviceUri, lingerSeconds } = require( './config.json' );

let waiting = [];
let timer = null;

function flush() {
	clearTimeout( timer );
	timer = null;
	// One beacon an event, or one array of all of them: as the generation has it.
	const bodies = profile.beaconIsList && waiting.length ? [ waiting ] : waiting;
	// What the browser does not take (its beacon queue is full) waits for the next turn.
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
 * Send an event, soon.
 *
 * @param {Object} event
 */
function add( event ) {
	waiting.push( event );
	if ( document.visibilityState === 'hidden' ) {
		// The moment to flush has passed and may not come again.
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
