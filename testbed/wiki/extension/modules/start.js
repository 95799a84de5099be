'use strict';

/*
 * Starts the wiki's instruments for those who are enrolled, whatever their group: who measures only the treatment
 * has nothing to compare it with.
 */

const { generation, instruments } = require( './config.json' );
const { submitInteraction } = require( './client.js' );
const clickThroughRate = require( './clickThroughRate.js' );

const SCHEMAS = {
	alpha: '/analytics/product_metrics/web/base/1.3.0',
	xlab: '/analytics/product_metrics/web/base/1.4.2'
};
const UNSAMPLED = 'unsampled';

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
	if ( generation === 'xlab' ) {
		return { experiment: {
			enrolled: name,
			assigned: told.assigned[ name ],
			subject_id: told.subject_ids[ name ],
			sampling_unit: told.sampling_units[ name ],
			coordinator: told.coordinator[ name ]
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

function isForced( said ) {
	return Boolean( said.experiment ) && said.experiment.coordinator === 'forced';
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
		if ( isForced( said ) ) {
			// Who chose a group by hand must not be counted in it.
			// eslint-disable-next-line no-console
			console.log( `${ settings.experiment }: ${ action } is not sent, the enrolment is an override.` );
			return;
		}
		submitInteraction( settings.stream, SCHEMAS[ generation ], action, Object.assign( data, said ) );
	};
	return clickThroughRate.start( settings.selector, settings.element, settings.instrument, submit );
}

mw.requestIdleCallback( () => instruments.forEach( start ) );

module.exports = { start };
