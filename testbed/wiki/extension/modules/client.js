// The client: builds an event of a stream from an instrument's action and data, and queues it.
'use strict';

const { profile, streams } = require( './config.json' );
const { collect } = require( './attributes.js' );
const queue = require( './queue.js' );

const LARGEST = 0xffffffff;

function isValid( sample ) {
	return Boolean( sample ) && typeof sample.rate === 'number' && typeof sample.unit === 'string';
}

/**
 * Return whether this page view is in a stream's sample, which is independent of any enrolment.
 *
 * @param {Object} stream
 * @return {boolean}
 */
function inSample( { sample } ) {
	if ( profile.forbidden.includes( 'sample' ) || !isValid( sample ) ) {
		return true;
	}
	const tokens = { pageview: mw.user.getPageviewToken, session: mw.user.sessionId };
	if ( !Object.prototype.hasOwnProperty.call( tokens, sample.unit ) ) {
		return false;
	}
	return parseInt( tokens[ sample.unit ]().slice( 0, 8 ), 16 ) / LARGEST < sample.rate;
}

/**
 * Submit an event, unless the stream is unknown or the page view is not in its sample.
 *
 * @param {string} streamName
 * @param {string} schema
 * @param {string} action
 * @param {Object} data
 */
function submitInteraction( streamName, schema, action, data ) {
	const stream = Object.prototype.hasOwnProperty.call( streams, streamName ) ? streams[ streamName ] : null;
	if ( !stream || !inSample( stream ) ) {
		return;
	}
	const client = ( stream.producers || {} ).metrics_platform_client || {};
	const event = Object.assign(
		{ action },
		data,
		{ $schema: schema },
		collect( client.provide_values || [] ),
		isValid( stream.sample ) ? { sample: { rate: stream.sample.rate, unit: stream.sample.unit } } : {},
		{
			dt: new Date().toISOString(),
			meta: { stream: streamName, domain: location.hostname }
		}
	);
	// Remove fields that this generation forbids. A generation that forbids `sample` does not sample streams either.
	profile.forbidden.forEach( ( field ) => delete event[ field ] );
	queue.add( event );
}

module.exports = { submitInteraction };
