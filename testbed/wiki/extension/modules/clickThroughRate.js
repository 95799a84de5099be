// The click-through-rate instrument: one impression when the element is completely in view, and each click on it.
'use strict';

const ACTION_SOURCE = 'ClickThroughRateInstrument';
const started = new Map();

/**
 * Observe an element. A second start on the same element has no effect.
 *
 * @param {string} selector
 * @param {string} element Friendly name of the element
 * @param {string} instrument Name of the instrument
 * @param {function(string, Object)} submit Called with an action and its data
 * @return {boolean} Whether the element exists
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
	const send = ( action ) => submit( action, {
		action_source: ACTION_SOURCE,
		funnel_entry_token: token,
		element_friendly_name: element,
		funnel_event_sequence_position: ++position,
		instrument_name: instrument
	} );

	const observer = new IntersectionObserver( ( entries ) => {
		if ( entries.some( ( entry ) => entry.intersectionRatio >= 1 ) ) {
			observer.disconnect();
			send( 'impression' );
		}
	}, { threshold: 1 } );
	observer.observe( node );

	// Listen in the capture phase of the window, so that a handler of the page cannot stop the click before.
	window.addEventListener( 'click', ( event ) => {
		if ( event.target instanceof Node && node.contains( event.target ) ) {
			send( 'click' );
		}
	}, true );
	return true;
}

module.exports = { start };
