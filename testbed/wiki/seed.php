<?php
// Seeds the wiki: reads NDJSON of pages and accounts, prints NDJSON of the accounts with their ids.
// `testbed.wiki.seed` runs it through maintenance/run.php. Unchanged pages are not saved again.

use MediaWiki\CommentStore\CommentStoreComment;
use MediaWiki\Content\ContentHandler;
use MediaWiki\Maintenance\Maintenance;
use MediaWiki\Revision\SlotRecord;
use MediaWiki\Title\Title;
use MediaWiki\User\CentralId\CentralIdLookup;
use MediaWiki\User\User;

// @codeCoverageIgnoreStart
require_once getenv( 'DOGFOOD_WIKI_RELEASE' ) . '/maintenance/Maintenance.php';
// @codeCoverageIgnoreEnd

/** Creates or updates pages and accounts in bulk. */
class Seed extends Maintenance {
	private const BATCH = 200;

	/** @inheritDoc */
	public function execute() {
		$this->addDescription( 'Create the pages and accounts listed on standard input.' );
		$count = 0;
		$this->beginTransaction( $this->getPrimaryDB(), __METHOD__ );
		while ( ( $line = fgets( STDIN ) ) !== false ) {
			$row = json_decode( $line, true );
			match ( $row['kind'] ?? null ) {
				'page' => $this->page( $row ),
				'account' => $this->account( $row ),
				default => $this->fatalError( "neither a page nor an account: $line" ),
			};
			if ( ++$count % self::BATCH === 0 ) {
				$this->commitTransaction( $this->getPrimaryDB(), __METHOD__ );
				$this->beginTransaction( $this->getPrimaryDB(), __METHOD__ );
			}
		}
		$this->commitTransaction( $this->getPrimaryDB(), __METHOD__ );
	}

	private function page( array $row ): void {
		$title = Title::newFromText( $row['title'] );
		if ( !$title ) {
			$this->fatalError( "not a title: {$row['title']}" );
		}
		$content = ContentHandler::makeContent( $row['text'], $title );
		$page = $this->getServiceContainer()->getWikiPageFactory()->newFromTitle( $title );
		$existing = $page->getContent();
		if ( $existing && $existing->equals( $content ) ) {
			return;
		}
		$page->newPageUpdater( User::newSystemUser( 'Seeder', [ 'steal' => true ] ) )
			->setContent( SlotRecord::MAIN, $content )
			->saveRevision( CommentStoreComment::newUnsavedComment( 'Seeded' ) );
		if ( !empty( $row['protected'] ) ) {
			$cascade = false;
			$page->doUpdateRestrictions(
				[ 'edit' => 'sysop', 'move' => 'sysop' ], [ 'edit' => 'infinity', 'move' => 'infinity' ], $cascade,
				'Seeded', User::newSystemUser( 'Seeder', [ 'steal' => true ] )
			);
		}
	}

	private function account( array $row ): void {
		$services = $this->getServiceContainer();
		$user = $services->getUserFactory()->newFromName( $row['name'], \MediaWiki\User\UserRigorOptions::RIGOR_CREATABLE );
		if ( !$user ) {
			$this->fatalError( "not a name of an account: {$row['name']}" );
		}
		if ( !$user->isRegistered() ) {
			$user->addToDatabase();
			foreach ( $row['groups'] as $group ) {
				$services->getUserGroupManager()->addUserToGroup( $user, $group );
			}
		}
		$this->getPrimaryDB()->newUpdateQueryBuilder()
			->update( 'user' )
			->set( [
				'user_password' => $services->getPasswordFactory()->newFromPlaintext( $row['password'] )->toString(),
				'user_editcount' => $row['edit_count'],
				'user_registration' => $this->getPrimaryDB()->timestamp( $row['registered'] ),
			] )
			->where( [ 'user_id' => $user->getId() ] )
			->caller( __METHOD__ )->execute();
		$user->invalidateCache();
		$central = $services->getCentralIdLookup()
			->centralIdFromLocalUser( $user, CentralIdLookup::AUDIENCE_RAW );
		$this->output( json_encode( [
			'name' => $user->getName(), 'user_id' => $user->getId(), 'central_id' => $central,
		] ) . "\n" );
	}
}

// @codeCoverageIgnoreStart
$maintClass = Seed::class;
require_once RUN_MAINTENANCE_IF_MAIN;
// @codeCoverageIgnoreEnd
