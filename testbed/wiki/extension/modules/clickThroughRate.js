'use strict';

/*
 * The click-through-rate instrument: one impression when the element is wholly in view, and each click on it.
 */

const ACTION_SOURCE = 'ClickThroughRateInstrument';
const started = new Map();

/**
 * Watch an element. Starting twice on the same element changes nothing.
 *
 * @param {string} selector
 * @param {string} element Friendly name of the element
 * @param {string} instrument Name of the instrument
 * @param {function(string, Object)} submit Takes an action and its data
 * @return {boolean} Whether the element is there
 */
function start( selector, element, instrument, submit ) {
	const node = document.querySelector( selector );
	if ( !node ) {
		mw.log.warn( `${ ACTION_SOURCE }: there is no ${ selector } on this page.` );
		return false;
	}
	const names = started.get( node ) || new Set();
	if ( names.has( element ) ) {
		return true;
	}
	started.set( node, names.add( element ) );

	const token = mw.user.generateRandomSessionId();
	let position = 0;
	const tell = ( action ) => submit( action, {
		action_source: ACTION_SOURCE,
		funnel_entry_token: token,
		element_friendly_name: element,
		funnel_event_sequence_position: ++position,
		instrument_name: instrument
	} );

	const observer = new IntersectionObserver( ( entries ) => {
		if ( entries.some( ( entry ) => entry.intersectionRatio >= 1 ) ) {
			observer.disconnect();
			tell( 'impression' );
		}
	}, { threshold: 1 } );
	observer.observe( node );

	// On the way down from the window: a handler of the page that stops the click cannot hide it from here.
	window.addEventListener( 'click', ( event ) => {
		if ( event.target instanceof Node && node.contains( event.target ) ) {
			tell( 'click' );
		}
	}, true );
	return true;
}

module.exports = { start };
