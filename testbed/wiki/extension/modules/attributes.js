// Contextual attributes of an event (page, wiki, user, agent): those that its stream asks for and the wiki knows.
'use strict';

const ACTIVE_TOKEN = 'experiment-platform-active';
const ACTIVE_SECONDS = 30 * 60;

const EDIT_COUNT_BUCKETS = [
	[ 1000, '1000+ edits' ],
	[ 100, '100-999 edits' ],
	[ 5, '5-99 edits' ],
	[ 1, '1-4 edits' ],
	[ 0, '0 edits' ]
];

function config( name ) {
	return () => mw.config.get( name );
}

function groups() {
	return mw.config.get( 'wgUserGroups' ) || [];
}

/** Return a token that expires after half an hour without activity. */
function activeBrowsingToken() {
	const token = mw.storage.get( ACTIVE_TOKEN ) || mw.user.generateRandomSessionId();
	mw.storage.set( ACTIVE_TOKEN, token, ACTIVE_SECONDS );
	return token;
}

function editCountBucket() {
	const edits = mw.config.get( 'wgUserEditCount' );
	return mw.user.isAnon() ? null : EDIT_COUNT_BUCKETS.find( ( [ lowest ] ) => edits >= lowest )[ 1 ];
}

function registration() {
	const date = mw.user.getRegistration();
	return date ? date.toISOString() : null;
}

// By attribute name: part and key in the event, and the function that reads the value.
const ATTRIBUTES = {
	page_id: [ 'page', 'id', config( 'wgArticleId' ) ],
	page_title: [ 'page', 'title', config( 'wgTitle' ) ],
	page_namespace: [ 'page', 'namespace_id', config( 'wgNamespaceNumber' ) ],
	page_namespace_id: [ 'page', 'namespace_id', config( 'wgNamespaceNumber' ) ],
	page_namespace_name: [ 'page', 'namespace_name', config( 'wgCanonicalNamespace' ) ],
	page_revision_id: [ 'page', 'revision_id', config( 'wgRevisionId' ) ],
	page_wikidata_qid: [ 'page', 'wikidata_qid', config( 'wgWikibaseItemId' ) ],
	page_content_language: [ 'page', 'content_language', config( 'wgPageContentLanguage' ) ],
	page_is_redirect: [ 'page', 'is_redirect', config( 'wgIsRedirect' ) ],
	page_user_groups_allowed_to_move: [ 'page', 'user_groups_allowed_to_move', config( 'wgRestrictionMove' ) ],
	page_user_groups_allowed_to_edit: [ 'page', 'user_groups_allowed_to_edit', config( 'wgRestrictionEdit' ) ],
	mediawiki_skin: [ 'mediawiki', 'skin', config( 'skin' ) ],
	mediawiki_version: [ 'mediawiki', 'version', config( 'wgVersion' ) ],
	mediawiki_database: [ 'mediawiki', 'database', config( 'wgDBname' ) ],
	mediawiki_site_content_language: [ 'mediawiki', 'site_content_language', config( 'wgContentLanguage' ) ],
	mediawiki_site_content_language_variant:
		[ 'mediawiki', 'site_content_language_variant', config( 'wgContentLanguageVariant' ) ],
	performer_active_browsing_session_token: [ 'performer', 'active_browsing_session_token', activeBrowsingToken ],
	performer_is_logged_in: [ 'performer', 'is_logged_in', () => !mw.user.isAnon() ],
	performer_is_temp: [ 'performer', 'is_temp', () => mw.user.isTemp() ],
	performer_id: [ 'performer', 'id', () => mw.user.getId() ],
	performer_name: [ 'performer', 'name', () => mw.user.getName() ],
	performer_session_id: [ 'performer', 'session_id', () => mw.user.sessionId() ],
	performer_pageview_id: [ 'performer', 'pageview_id', () => mw.user.getPageviewToken() ],
	performer_groups: [ 'performer', 'groups', groups ],
	performer_is_bot: [ 'performer', 'is_bot', () => groups().includes( 'bot' ) ],
	performer_language: [ 'performer', 'language', config( 'wgUserLanguage' ) ],
	performer_language_variant: [ 'performer', 'language_variant', config( 'wgUserVariant' ) ],
	performer_can_probably_edit_page: [ 'performer', 'can_probably_edit_page', config( 'wgIsProbablyEditable' ) ],
	performer_edit_count: [ 'performer', 'edit_count', config( 'wgUserEditCount' ) ],
	performer_edit_count_bucket: [ 'performer', 'edit_count_bucket', editCountBucket ],
	performer_registration_dt: [ 'performer', 'registration_dt', registration ],
	agent_ua_string: [ 'agent', 'ua_string', () => navigator.userAgent ]
};

/**
 * Return the contextual attributes of an event. Values that are undefined or null are left out.
 *
 * @param {string[]} names Names of attributes; unknown names are ignored
 * @return {Object}
 */
function collect( names ) {
	const attributes = {
		agent: {
			client_platform: 'mediawiki_js',
			client_platform_family: document.body.classList.contains( 'mw-mf' ) ? 'mobile_browser' : 'desktop_browser'
		}
	};
	names.filter( ( name ) => name in ATTRIBUTES ).forEach( ( name ) => {
		const [ part, key, read ] = ATTRIBUTES[ name ];
		const value = read();
		if ( value !== undefined && value !== null ) {
			attributes[ part ] = attributes[ part ] || {};
			attributes[ part ][ key ] = value;
		}
	} );
	return attributes;
}

module.exports = { collect };
