'use strict';

/*
 * Events wait a while, so that measuring does not compete with reading; but never longer than the page is there.
 * Nobody learns whether an event arrived: that is how beacons are.
 */

const { serviceUri, lingerSeconds } = require( './config.json' );

let waiting = [];
let timer = null;

function flush() {
	clearTimeout( timer );
	timer = null;
	const events = waiting;
	// What the browser does not take (its beacon queue is full) waits for the next turn.
	waiting = events.filter( ( event ) => {
		try {
			return !navigator.sendBeacon( serviceUri, JSON.stringify( event ) );
		} catch ( error ) {
			return false;
		}
	} );
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
