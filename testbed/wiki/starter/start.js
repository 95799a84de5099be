// Starts the real extensions' click-through-rate instrument for enrolled users of every group.
// The real code starts the instrument itself for Wikimedia's experiments.
'use strict';

const { instruments, schema } = require( './config.json' );

/** Modules of the real extensions that contain the instrument, newest first. */
const MODULES = [ 'ext.wikimediaEvents.xLab', 'ext.wikimediaEvents.exLab' ];

/**
 * Return the sender of an experiment's events, or null when the user is not enrolled in it.
 *
 * @param {Object} settings
 * @return {Object|null}
 */
function sender( { experiment, instrument, stream } ) {
	if ( mw.xLab ) {
		return mw.xLab.getExperiment( experiment );
	}
	return mw.eventLog.isCurrentUserEnrolled( experiment ) ?
		mw.eventLog.newInstrument( instrument, stream, schema ) : null;
}

const instrumentModule = MODULES.find( ( name ) => mw.loader.getState( name ) );
if ( instrumentModule ) {
	const needed = [ instrumentModule, 'ext.eventLogging', 'ext.xLab' ].filter( ( name ) => mw.loader.getState( name ) );
	mw.loader.using( needed ).then( ( require ) => {
		const { ClickThroughRateInstrument } = require( instrumentModule );
		instruments.forEach( ( settings ) => {
			const events = sender( settings );
			if ( events ) {
				ClickThroughRateInstrument.start( settings.selector, settings.element, events );
			}
		} );
	} );
}
