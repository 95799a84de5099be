// Starts the wiki's instruments for enrolled users of every group: a comparison needs events of all groups.
'use strict';

const { profile, instruments } = require( './config.json' );
const { submitInteraction } = require( './client.js' );
const clickThroughRate = require( './clickThroughRate.js' );

const UNSAMPLED = 'unsampled';

function isForced( experiments, name ) {
	return ( experiments.overrides || [] ).includes( name );
}

/**
 * Return the event fields of an experiment, or null when the user is not enrolled in it.
 *
 * @param {string} name
 * @return {Object|null}
 */
function experimentFields( name ) {
	const experiments = mw.config.get( 'wgMetricsPlatformUserExperiments' ) || {};
	if ( !( experiments.enrolled || [] ).includes( name ) ) {
		return null;
	}
	if ( profile.fragment === 'experiment' ) {
		return { experiment: {
			enrolled: name,
			assigned: experiments.assigned[ name ],
			subject_id: experiments.subject_ids[ name ],
			sampling_unit: experiments.sampling_units[ name ],
			// The page does not name the coordinator; the client does.
			coordinator: isForced( experiments, name ) ? 'forced' : profile.coordinator
		} };
	}
	const assigned = {};
	Object.keys( experiments.assigned ).forEach( ( feature ) => {
		if ( experiments.assigned[ feature ] !== UNSAMPLED ) {
			assigned[ feature ] = experiments.assigned[ feature ];
		}
	} );
	return { experiments: { enrolled: experiments.enrolled, assigned } };
}

/**
 * Start an instrument for an experiment, if the user is enrolled in it.
 *
 * @param {Object} settings experiment, instrument, stream, selector and element
 * @return {boolean} Whether it was started
 */
function start( settings ) {
	const fields = experimentFields( settings.experiment );
	if ( !fields ) {
		return false;
	}
	const submit = ( action, data ) => {
		if ( fields.experiment && fields.experiment.coordinator === 'forced' ) {
			// A user who chose the group with an override must not count in it.
			// eslint-disable-next-line no-console
			console.log( `${ settings.experiment }: ${ action } is not sent, the enrolment is an override.` );
			return;
		}
		submitInteraction( settings.stream, profile.schema, action, Object.assign( data, fields ) );
	};
	const name = profile.constants.instrument_name || settings.instrument;
	return clickThroughRate.start( settings.selector, settings.element, name, submit );
}

mw.requestIdleCallback( () => instruments.forEach( start ) );

module.exports = { start };
