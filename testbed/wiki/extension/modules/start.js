'use strict';

/*
 * Starts the wiki's instruments for those who are enrolled, whatever their group: who measures only the treatment
 * has nothing to compare it with.
 */

const { profile, instruments } = require( './config.json' );
const { submitInteraction } = require( './client.js' );
const clickThroughRate = require( './clickThroughRate.js' );

const UNSAMPLED = 'unsampled';

function isForced( told, name ) {
	return ( told.overrides || [] ).includes( name );
}

/**
 * Return what events say of an experiment, or null when the user takes no part in it.
 *
 * @param {string} name
 * @return {Object|null}
 */
function decoration( name ) {
	const told = mw.config.get( 'wgMetricsPlatformUserExperiments' ) || {};
	if ( !( told.enrolled || [] ).includes( name ) ) {
		return null;
	}
	if ( profile.fragment === 'experiment' ) {
		return { experiment: {
			enrolled: name,
			assigned: told.assigned[ name ],
			subject_id: told.subject_ids[ name ],
			sampling_unit: told.sampling_units[ name ],
			// Pages do not say who enrolled; the client does.
			coordinator: isForced( told, name ) ? 'forced' : profile.coordinator
		} };
	}
	const assigned = {};
	Object.keys( told.assigned ).forEach( ( feature ) => {
		if ( told.assigned[ feature ] !== UNSAMPLED ) {
			assigned[ feature ] = told.assigned[ feature ];
		}
	} );
	return { experiments: { enrolled: told.enrolled, assigned } };
}

/**
 * Start an instrument for an experiment, if the user takes part in it.
 *
 * @param {Object} settings experiment, instrument, stream, selector and element
 * @return {boolean} Whether it was started
 */
function start( settings ) {
	const said = decoration( settings.experiment );
	if ( !said ) {
		return false;
	}
	const submit = ( action, data ) => {
		if ( said.experiment && said.experiment.coordinator === 'forced' ) {
			// Who chose a group by hand must not be counted in it.
			// eslint-disable-next-line no-console
			console.log( `${ settings.experiment }: ${ action } is not sent, the enrolment is an override.` );
			return;
		}
		submitInteraction( settings.stream, profile.schema, action, Object.assign( data, said ) );
	};
	const name = profile.constants.instrument_name || settings.instrument;
	return clickThroughRate.start( settings.selector, settings.element, name, submit );
}

mw.requestIdleCallback( () => instruments.forEach( start ) );

module.exports = { start };
