// Runs in every page before the page's scripts: counts impressions and beacons that the page can observe itself.
( () => {
	const probe = { inView: 0, beacons: [] };
	Object.defineProperty( window, '__pageProbe', { value: probe } );

	const Observer = window.IntersectionObserver;
	window.IntersectionObserver = class extends Observer {
		constructor( callback, options ) {
			super( ( entries, observer ) => {
				callback( entries, observer );
				if ( options && options.threshold === 1 && entries.some( ( entry ) => entry.intersectionRatio >= 1 ) ) {
					probe.inView++;
				}
			}, options );
		}
	};

	const send = navigator.sendBeacon.bind( navigator );
	navigator.sendBeacon = ( url, body ) => {
		const taken = send( url, body );
		if ( taken && typeof body === 'string' ) {
			probe.beacons.push( body );
		}
		return taken;
	};
} )();
