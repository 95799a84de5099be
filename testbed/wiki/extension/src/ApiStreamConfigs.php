<?php

namespace ExperimentPlatform;

use MediaWiki\Api\ApiBase;
use MediaWiki\Api\ApiMain;
use MediaWiki\Api\ApiResult;
use Wikimedia\ParamValidator\ParamValidator;

/** `api.php?action=streamconfigs`: what producers and ingestion need to know of the event streams. */
class ApiStreamConfigs extends ApiBase {
	public function __construct( ApiMain $main, string $name, private readonly StreamConfigs $configs ) {
		parent::__construct( $main, $name );
	}

	/** @inheritDoc */
	public function execute() {
		$configs = $this->configs->get( $this->extractRequestParams()['streams'] );
		// Without the mark, a wiki without streams would answer a list.
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
