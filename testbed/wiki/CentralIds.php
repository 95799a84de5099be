<?php

namespace Testbed;

use MediaWiki\User\CentralId\CentralIdLookup;
use MediaWiki\User\CentralId\LocalIdLookup;
use Wikimedia\Rdbms\IDBAccessObject;

/**
 * Ids across wikis that are not the local ones, as on a farm of wikis: so that it shows which of the two is hashed.
 */
class CentralIds extends LocalIdLookup {
	/** On a farm, an account made late on a wiki has a central id far above its local one. */
	private const FIRST = 70_000_000;

	/** @inheritDoc */
	public function lookupCentralIds(
		array $idToName, $audience = CentralIdLookup::AUDIENCE_PUBLIC, $flags = IDBAccessObject::READ_NORMAL
	): array {
		$locals = [];
		foreach ( $idToName as $id => $name ) {
			$locals[$id - self::FIRST] = $name;
		}
		$found = [];
		foreach ( parent::lookupCentralIds( $locals, $audience, $flags ) as $local => $name ) {
			$found[$local + self::FIRST] = $name;
		}
		return $found;
	}

	/** @inheritDoc */
	public function lookupUserNames(
		array $nameToId, $audience = CentralIdLookup::AUDIENCE_PUBLIC, $flags = IDBAccessObject::READ_NORMAL
	): array {
		$found = parent::lookupUserNames( $nameToId, $audience, $flags );
		foreach ( $found as $name => $id ) {
			// What was not found keeps the value that was given.
			if ( is_int( $id ) && $id > 0 && $id !== $nameToId[$name] ) {
				$found[$name] = $id + self::FIRST;
			}
		}
		return $found;
	}
}
