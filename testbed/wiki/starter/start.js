'use strict';

/*
 * Starts the real click-through-rate instrument for the wiki's instruments, as a team that runs an experiment would:
 * for everybody who is enrolled, whatever their group. Experiments that the real code names itself it starts itself.
 */

const { instruments, schema } = require( './config.json' );

/** Where the real extensions have had the instrument, newest first. */
const MODULES = [ 'ext.wikimediaEvents.xLab', 'ext.wikimediaEvents.exLab' ];

/**
 * Return what sends an experiment's events, or null when the user takes no part in it.
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

const found = MODULES.find( ( name ) => mw.loader.getState( name ) );
if ( found ) {
	const needed = [ found, 'ext.eventLogging', 'ext.xLab' ].filter( ( name ) => mw.loader.getState( name ) );
	mw.loader.using( needed ).then( ( require ) => {
		const { ClickThroughRateInstrument } = require( found );
		instruments.forEach( ( settings ) => {
			const events = sender( settings );
			if ( events ) {
				ClickThroughRateInstrument.start( settings.selector, settings.element, events );
			}
		} );
	} );
}
