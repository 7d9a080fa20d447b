"""What there is to know of each programming language: its grammar, its comments, its blocks.

Node types are those of the grammars that the extra ``code`` pins. Nothing is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Grammar:
    """One language.

    Attributes:
        name: of the language.
        package: that holds the grammar; ``function`` of it gives it.
        comment: what begins a comment that runs to the end of its line.
        blocks: types of nodes whose named children can go one by one: statements, members, cases.
        lists: the same for long literals and lists of names, whose children end with a comma.
        clauses: children of blocks that are part of their statement and never go alone.
        leads: children of blocks that belong to what follows them, as comments do.
        imports: types of statements that say what a file uses.
        definitions: types of nodes with a signature.
        filler: what an emptied block needs in order to parse.
    """

    name: str
    package: str
    blocks: frozenset[str]
    definitions: frozenset[str]
    imports: frozenset[str]
    function: str = "language"
    comment: str = "//"
    lists: frozenset[str] = frozenset()
    clauses: frozenset[str] = frozenset()
    leads: frozenset[str] = frozenset()
    filler: str = ""
    comments: frozenset[str] = field(
        default=frozenset({"comment", "line_comment", "block_comment"})
    )


def _types(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PYTHON: Final = Grammar(
    name="python",
    package="tree_sitter_python",
    comment="#",
    blocks=_types("block"),
    lists=_types("dictionary list set tuple"),
    clauses=_types("case_clause"),
    imports=_types("import_statement import_from_statement future_import_statement"),
    definitions=_types("function_definition class_definition"),
    filler="...  ",
)
_SCRIPT_BLOCKS: Final = "statement_block class_body switch_body switch_case switch_default"
_SCRIPT_DEFINITIONS: Final = (
    "function_declaration generator_function_declaration function_expression arrow_function "
    "class_declaration class method_definition"
)
_JAVASCRIPT: Final = Grammar(
    name="javascript",
    package="tree_sitter_javascript",
    blocks=_types(_SCRIPT_BLOCKS),
    lists=_types("object array"),
    leads=_types("decorator"),
    imports=_types("import_statement"),
    definitions=_types(_SCRIPT_DEFINITIONS),
)
_TYPED_DEFINITIONS: Final = (
    "abstract_class_declaration interface_declaration type_alias_declaration enum_declaration "
    "internal_module module function_signature"
)
_TYPESCRIPT: Final = Grammar(
    name="typescript",
    package="tree_sitter_typescript",
    function="language_typescript",
    blocks=_types(f"{_SCRIPT_BLOCKS} interface_body object_type"),
    lists=_types("object array enum_body"),
    leads=_types("decorator"),
    imports=_types("import_statement"),
    definitions=_types(f"{_SCRIPT_DEFINITIONS} {_TYPED_DEFINITIONS}"),
)
_TSX: Final = replace(_TYPESCRIPT, name="tsx", function="language_tsx")
_JAVA: Final = Grammar(
    name="java",
    package="tree_sitter_java",
    blocks=_types(
        "block constructor_body class_body interface_body annotation_type_body "
        "enum_body_declarations switch_block switch_block_statement_group"
    ),
    lists=_types("array_initializer"),
    imports=_types("package_declaration import_declaration"),
    definitions=_types(
        "class_declaration interface_declaration enum_declaration record_declaration "
        "annotation_type_declaration method_declaration constructor_declaration "
        "compact_constructor_declaration"
    ),
)
_GO: Final = Grammar(
    name="go",
    package="tree_sitter_go",
    blocks=_types(
        "statement_list expression_switch_statement type_switch_statement select_statement "
        "field_declaration_list interface_type"
    ),
    lists=_types("literal_value const_declaration var_spec_list"),
    imports=_types("package_clause import_declaration"),
    definitions=_types("function_declaration method_declaration type_declaration"),
)
_RUST: Final = Grammar(
    name="rust",
    package="tree_sitter_rust",
    blocks=_types("block declaration_list field_declaration_list match_block"),
    lists=_types("enum_variant_list array_expression"),
    leads=_types("attribute_item"),
    imports=_types("use_declaration extern_crate_declaration"),
    definitions=_types(
        "function_item impl_item trait_item mod_item struct_item enum_item union_item"
    ),
)
_C_BLOCKS: Final = (
    "compound_statement field_declaration_list declaration_list case_statement "
    "preproc_if preproc_ifdef preproc_else preproc_elif"
)
_C_DEFINITIONS: Final = "function_definition struct_specifier union_specifier enum_specifier"
_C: Final = Grammar(
    name="c",
    package="tree_sitter_c",
    blocks=_types(_C_BLOCKS),
    lists=_types("initializer_list enumerator_list"),
    clauses=_types("preproc_else preproc_elif preproc_elifdef"),
    imports=_types("preproc_include"),
    definitions=_types(_C_DEFINITIONS),
)
_CPP: Final = replace(
    _C,
    name="cpp",
    package="tree_sitter_cpp",
    imports=_types("preproc_include using_declaration"),
    definitions=_types(f"{_C_DEFINITIONS} class_specifier namespace_definition"),
)
_C_SHARP: Final = Grammar(
    name="c_sharp",
    package="tree_sitter_c_sharp",
    blocks=_types("block declaration_list switch_body switch_section accessor_list"),
    lists=_types("enum_member_declaration_list initializer_expression"),
    imports=_types("using_directive file_scoped_namespace_declaration"),
    definitions=_types(
        "namespace_declaration class_declaration struct_declaration interface_declaration "
        "record_declaration enum_declaration method_declaration constructor_declaration "
        "destructor_declaration operator_declaration property_declaration indexer_declaration "
        "local_function_statement"
    ),
)
_RUBY: Final = Grammar(
    name="ruby",
    package="tree_sitter_ruby",
    comment="#",
    blocks=_types("body_statement block_body then do else ensure begin"),
    lists=_types("hash array"),
    clauses=_types("rescue ensure else elsif when in_clause heredoc_body"),
    imports=frozenset(),
    definitions=_types("module class singleton_class method singleton_method"),
)
_PHP: Final = Grammar(
    name="php",
    package="tree_sitter_php",
    function="language_php",
    blocks=_types(
        "compound_statement declaration_list switch_block case_statement default_statement "
        "colon_block"
    ),
    lists=_types("array_creation_expression enum_declaration_list"),
    clauses=_types("php_tag"),
    imports=_types("namespace_use_declaration"),
    definitions=_types(
        "function_definition method_declaration class_declaration interface_declaration "
        "trait_declaration enum_declaration namespace_definition"
    ),
)
_PHP_BARE: Final = replace(_PHP, name="php_bare", function="language_php_only")

GRAMMARS: Final[dict[str, Grammar]] = {
    g.name: g
    for g in (
        *(_PYTHON, _JAVASCRIPT, _TYPESCRIPT, _TSX, _JAVA, _GO, _RUST, _C, _CPP, _C_SHARP),
        *(_RUBY, _PHP, _PHP_BARE),
    )
}
