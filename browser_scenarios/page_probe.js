// Runs in every page before its own scripts: what the page itself could know of the instrument. A hint, no more.
( () => {
	const witness = { inView: 0, beacons: [] };
	Object.defineProperty( window, '__witness', { value: witness } );

	const Observer = window.IntersectionObserver;
	window.IntersectionObserver = class extends Observer {
		constructor( callback, options ) {
			super( ( entries, observer ) => {
				callback( entries, observer );
				if ( options && options.threshold === 1 && entries.some( ( entry ) => entry.intersectionRatio >= 1 ) ) {
					witness.inView++;
				}
			}, options );
		}
	};

	const send = navigator.sendBeacon.bind( navigator );
	navigator.sendBeacon = ( url, body ) => {
		const taken = send( url, body );
		if ( taken && typeof body === 'string' ) {
			witness.beacons.push( body );
		}
		return taken;
	};
} )();
