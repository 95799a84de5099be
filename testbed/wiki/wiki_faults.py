"""Faults of the wiki and its client, as edits of the extension's code. The catalogue is in `testbed.faults`.

Each fault is one or a few text edits, applied to a copy of the extension that the wiki then uses. The extension itself
contains no fault code.
"""

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from common.errors import DogfoodError
from testbed.faults import FaultLocation, choose_at


class Edit(NamedTuple):
    """A replacement of text that occurs exactly once in a file of the extension."""

    file: str
    old: str
    new: str


class EditError(DogfoodError):
    """A fault does not fit the extension, or conflicts with another active fault."""


_ENROLMENT, _ASSIGNMENT, _MPIC = "src/Enrolment.php", "src/Assignment.php", "src/Mpic.php"
_START, _INSTRUMENT, _QUEUE = "modules/start.js", "modules/clickThroughRate.js", "modules/queue.js"

#: Lines that assign a user to a group, in each generation; code added after them changes the group.
_ALPHA_GROUP = "\t\t\t\t$group = Assignment::group( $digest, $groups, $rate );\n"
_XLAB_GROUP = "\t\t\t$group = $id ? Assignment::group( $digest, $groups, $rate ) : null;\n"

_CENTRAL_ID = "$this->centralIds->centralIdFromLocalUser( $user, CentralIdLookup::AUDIENCE_RAW )"
_STARTING = "mw.requestIdleCallback( () => instruments.forEach( start ) );"
_EXPERIMENT_FIELDS = "\tconst fields = experimentFields( settings.experiment );\n"

#: JavaScript: whether the fields from `experimentFields` name a treatment group.
_IS_TREATED = (
    "[ 'true', 'treatment' ].includes( fields.experiment ? fields.experiment.assigned : "
    "Object.values( fields.experiments.assigned )[ 0 ] )"
)


def _regrouped(php: str) -> tuple[Edit, ...]:
    """Return the edits that run *php* after the assignment of a user to `$group` of `$groups`, in both generations."""
    return tuple(Edit(_ENROLMENT, line, f"{line}{php}\n") for line in (_ALPHA_GROUP, _XLAB_GROUP))


EDITS: Mapping[str, tuple[Edit, ...]] = {
    "local-id": (
        Edit(_ENROLMENT, "Assignment::digest( Mpic::ALPHA, $user->getId(), $slug )",
             f"Assignment::digest( Mpic::ALPHA, {_CENTRAL_ID}, $slug )"),
        Edit(_ENROLMENT, f"$id = {_CENTRAL_ID};", "$id = $user->getId();"),
    ),
    "off-by-one": (
        Edit(_ASSIGNMENT, "$groups[(int)$scaled]",
             "$groups[( (int)$scaled + (int)( fmod( $scaled, 1 ) >= 0.95 * $rate ) ) % count( $groups )]"),
    ),
    "modulo": _regrouped("$group = $group === null ? null : $groups[$user->getId() % count( $groups )];"),
    "rate-key": (Edit(_ASSIGNMENT, "foreach ( $rates as $key => $wikis ) {", "foreach ( [] as $key => $wikis ) {"),),
    "not-sticky": _regrouped(
        "if ( $group !== null && crc32( $request->getSession()->getId() ) % 100 < 3 ) { "
        "$group = $groups[( array_search( $group, $groups, true ) + 1 ) % count( $groups )]; }"
    ),
    "mpic-unreachable": (
        Edit(_MPIC, "$url = rtrim( $this->baseUrl, '/' ) . $path;", "$url = 'http://127.0.0.1:9' . $path;"),
    ),
    "mpic-malformed": (
        Edit(_MPIC, "return $this->cached( $this->experimentsPath() );",
             "return json_decode( '[{\"slug\": \"', true, 512, JSON_THROW_ON_ERROR );"),
    ),
    "stale-config": (
        Edit(_MPIC, "return $this->cached( $this->experimentsPath() );",
             "return crc32( \\MediaWiki\\Request\\WebRequest::getRequestId() ) % 2 ? "
             "$this->cached( $this->experimentsPath() ) : [];"),
    ),
    "off-still-sends": (
        Edit(_MPIC, "'until' => microtime( true ) + $this->ttl,", "'until' => microtime( true ) + 86400,"),
        # A wiki without the fault must not use these long-lived cache entries.
        Edit(_MPIC, "md5( $this->baseUrl . $path )", "md5( $this->baseUrl . $path . ' kept' )"),
    ),
    "eligibility": _regrouped("if ( $group === end( $groups ) && $user->getEditCount() < 20 ) { $group = null; }"),
    "self-assign": (
        Edit(_ENROLMENT, "\t\t$requested = $this->overridable ? Overrides::read( $request, 2 ) : [];\n",
             "\t\t$requested = $this->overridable ? Overrides::read( $request, 2 ) : [];\n"
             "\t\tforeach ( crc32( $user->getName() ) % 20 ? [] : $this->mpic->experiments() as $config ) { "
             "$requested[$config['name']] = end( $config['groups'] ); }\n"),
        Edit(_START, "isForced( experiments, name ) ? 'forced' : profile.coordinator", "profile.coordinator"),
    ),
    "double-sampling": (
        Edit("src/StreamConfigs.php", "'sample' => [ 'rate' => $rate,", "'sample' => [ 'rate' => $rate * 0.5,"),
    ),
    "wrong-intake": (
        Edit("src/Hooks.php", "'serviceUri' => $config->get( 'EventLoggingServiceUri' ),",
             "'serviceUri' => 'http://127.0.0.1:18193/v1/events?hasty=true',"),
    ),
    "one-group-only": (
        Edit(_START, _EXPERIMENT_FIELDS,
             f"{_EXPERIMENT_FIELDS}\tif ( fields && !{_IS_TREATED} ) {{\n\t\treturn false;\n\t}}\n"),
    ),
    "late-record": (
        Edit(_START, _STARTING,
             "mw.requestIdleCallback( () => instruments.forEach( ( settings ) => {\n"
             "\tconst fields = experimentFields( settings.experiment );\n"
             f"\tsetTimeout( () => start( settings ), fields && {_IS_TREATED} ? 5000 : 0 );\n}} ) );"),
    ),
    "child-click": (
        Edit(_INSTRUMENT, "event.target instanceof Node && node.contains( event.target )", "event.target === node"),
    ),
    "double-listener": (
        Edit(_INSTRUMENT, "\twindow.addEventListener( 'click',",
             "\tnode.parentElement.addEventListener( 'click', ( event ) => {\n"
             "\t\tif ( node.contains( event.target ) ) {\n\t\t\tsend( 'click' );\n\t\t}\n\t}, true );\n"
             "\twindow.addEventListener( 'click',"),
    ),
    "names-missing": (
        Edit(_INSTRUMENT, "element_friendly_name: element,", "element_friendly_name: undefined,"),
        Edit(_INSTRUMENT, "instrument_name: instrument\n", "instrument_name: undefined\n"),
    ),
    "sequence": (
        Edit(_INSTRUMENT, "funnel_event_sequence_position: ++position,",
             "funnel_event_sequence_position: Math.min( ++position, 1 ),"),
    ),
    "schema-version": (
        Edit(_START, "profile.schema, action",
             r"profile.schema.replace( /\d+$/, ( patch ) => Number( patch ) + 1 ), action"),
    ),
    "subject-awaiting": (Edit(_START, "subject_id: experiments.subject_ids[ name ],", "subject_id: 'awaiting',"),),
    "unload-loss": (
        Edit(_QUEUE, "\tif ( document.visibilityState === 'hidden' ) {\n\t\tflush();\n\t}\n} );", "} );"),
        Edit(_QUEUE, "window.addEventListener( 'pagehide', flush );\n", ""),
    ),
}  # fmt: skip


def extension_with(extension: Path, faults: Iterable[str], folder: Path) -> Path:
    """Return a copy of *extension* under *folder* with the wiki's *faults*; *extension* itself without faults.

    The name of a copy depends on its content, so PHP never uses the cached code of another copy.

    Raises:
        EditError: a fault does not fit the extension, or two of them change the same text.
    """
    names = choose_at(FaultLocation.WIKI, faults)
    if not names:
        return extension
    edits = [(name, edit) for name in names for edit in EDITS[name]]
    texts = {edit.file: (extension / edit.file).read_text(encoding="utf-8") for _, edit in edits}
    for name, (file, old, new) in edits:
        if texts[file].count(old) != 1:
            raise EditError(
                f"fault {name} does not fit {file} of the extension, or conflicts with another active fault"
            )
        texts[file] = texts[file].replace(old, new)
    mark = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:12]
    copy = folder / f"extension-{mark}"
    if not copy.is_dir():
        draft = folder / f"extension-{mark}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(extension, draft)
        for file, text in texts.items():
            (draft / file).write_text(text, encoding="utf-8")
        draft.rename(copy)
    return copy
