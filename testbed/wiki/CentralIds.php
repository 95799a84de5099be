<?php
// Central ids that differ from local ids, as on a wiki farm, so that tests show which of the two is hashed.

namespace Testbed;

use MediaWiki\User\CentralId\CentralIdLookup;
use MediaWiki\User\CentralId\LocalIdLookup;
use Wikimedia\Rdbms\IDBAccessObject;

/**
 * Provides central ids that are the local ids plus a constant.
 */
class CentralIds extends LocalIdLookup {
	/** Offset of the central ids. On a farm, an account created late on a wiki has a central id far above its local one. */
	private const OFFSET = 70_000_000;

	/** @inheritDoc */
	public function lookupCentralIds(
		array $idToName, $audience = CentralIdLookup::AUDIENCE_PUBLIC, $flags = IDBAccessObject::READ_NORMAL
	): array {
		$locals = [];
		foreach ( $idToName as $id => $name ) {
			$locals[$id - self::OFFSET] = $name;
		}
		$names = [];
		foreach ( parent::lookupCentralIds( $locals, $audience, $flags ) as $local => $name ) {
			$names[$local + self::OFFSET] = $name;
		}
		return $names;
	}

	/** @inheritDoc */
	public function lookupUserNames(
		array $nameToId, $audience = CentralIdLookup::AUDIENCE_PUBLIC, $flags = IDBAccessObject::READ_NORMAL
	): array {
		$ids = parent::lookupUserNames( $nameToId, $audience, $flags );
		foreach ( $ids as $name => $id ) {
			// A name without an id keeps the given value.
			if ( is_int( $id ) && $id > 0 && $id !== $nameToId[$name] ) {
				$ids[$name] = $id + self::OFFSET;
			}
		}
		return $ids;
	}
}
