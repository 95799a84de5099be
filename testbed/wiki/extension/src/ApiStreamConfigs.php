<?php
// The API module `action=streamconfigs`, which exports the configs of event streams.

namespace ExperimentPlatform;

use MediaWiki\Api\ApiBase;
use MediaWiki\Api\ApiMain;
use MediaWiki\Api\ApiResult;
use Wikimedia\ParamValidator\ParamValidator;

/** Returns the stream configs that producers and ingestion need. */
class ApiStreamConfigs extends ApiBase {
	public function __construct( ApiMain $main, string $name, private readonly StreamConfigs $configs ) {
		parent::__construct( $main, $name );
	}

	/** @inheritDoc */
	public function execute() {
		$configs = $this->configs->get( $this->extractRequestParams()['streams'] );
		// Without this type, the result of a wiki without streams would be a list.
		ApiResult::setArrayType( $configs, 'assoc' );
		$this->getResult()->addValue( null, 'streams', $configs, ApiResult::NO_SIZE_CHECK );
	}

	/** @inheritDoc */
	public function getAllowedParams() {
		return [ 'streams' => [
			ParamValidator::PARAM_TYPE => 'string',
			ParamValidator::PARAM_ISMULTI => true,
		] ];
	}

	/** @inheritDoc */
	public function isInternal() {
		return true;
	}

	/** @inheritDoc */
	protected function getExamplesMessages() {
		return [ 'action=streamconfigs' => 'apihelp-streamconfigs-example-all' ];
	}
}
