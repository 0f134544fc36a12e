//! What is found at load, with its place and what to do.

use super::*;

#[track_caller]
fn one(source: &str, at: &str, problem: &str, remedy: &str) {
    let offset = source
        .find(at)
        .unwrap_or_else(|| panic!("{at:?} stands not in {source:?}"));
    check_faults(source, &[(offset, problem, remedy)]);
}

#[test]
fn a_misspelt_name_is_found_wherever_it_stands() {
    for (source, at, problem, remedy) in [
        (
            "{{ emial.subject }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ subject }}",
            "subject",
            "name \"subject\" is not known",
            "did you mean \"email.subject\"?",
        ),
        (
            "{{ zzzzzz }}",
            "zzzzzz",
            "name \"zzzzzz\" is not known",
            "known are email, custom, meta",
        ),
        (
            "{{ email.form.address }}",
            "form",
            "\"email\" has no \"form\"",
            "did you mean \"from\"?",
        ),
        (
            "{{ email.from.adress }}",
            "adress",
            "\"email.from\" has no \"adress\"",
            "did you mean \"address\"?",
        ),
        (
            "{{ email[\"subjct\"] }}",
            "\"subjct",
            "\"email\" has no \"subjct\"",
            "did you mean \"subject\"?",
        ),
        (
            "{{ email.to.0.adress }}",
            "adress",
            "\"email.to.0\" has no \"adress\"",
            "did you mean \"address\"?",
        ),
        (
            "{{ email.to[0].adress }}",
            "adress",
            "\"email.to[0]\" has no \"adress\"",
            "did you mean \"address\"?",
        ),
        (
            "{{ email.to[emial.size].local }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ email?.form?.address }}",
            "form",
            "\"email\" has no \"form\"",
            "did you mean \"from\"?",
        ),
        (
            "{{ custom.sender.user.nam }}",
            "nam }",
            "\"custom.sender.user\" has no \"nam\"",
            "did you mean \"name\"?",
        ),
        (
            "{% if emial.junk %}{% endif %}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{% if true %}{% elif email.jnk %}{% endif %}",
            "jnk",
            "\"email\" has no \"jnk\"",
            "did you mean \"junk\"?",
        ),
        (
            "{% if false %}{% else %}{{ email.jnk }}{% endif %}",
            "jnk",
            "\"email\" has no \"jnk\"",
            "did you mean \"junk\"?",
        ),
        (
            "{% for t in emial.to %}{% endfor %}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{% for t in email.to %}{{ t.adress }}{% endfor %}",
            "adress",
            "\"t\" has no \"adress\"",
            "did you mean \"address\"?",
        ),
        (
            "{% for t in email.to %}{{ loop.indx }}{% endfor %}",
            "indx",
            "\"loop\" has no \"indx\"",
            "did you mean \"index\"?",
        ),
        (
            "{% for t in email.to %}{% endfor %}{{ t.local }}",
            "t.local",
            "name \"t\" is not known",
            "known are email, custom, meta",
        ),
        (
            "{% for k, v in email.headers %}{{ k.x }}{% endfor %}",
            "x }",
            "\"k\" is text and has no \"x\"",
            "",
        ),
        (
            "{% set a = emial.subject %}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{% set a = email.from %}{{ a.nme }}",
            "nme",
            "\"a\" has no \"nme\"",
            "did you mean \"name\"?",
        ),
        (
            "{% set author = email.from %}{{ auhtor.name }}",
            "auhtor",
            "name \"auhtor\" is not known",
            "did you mean \"author\"?",
        ),
        (
            "{% set a %}{{ emial }}{% endset %}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{% filter replace(from=\"a\", to=emial.subject) %}{% endfilter %}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ email.subject | default(value=emial.size) }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ email.subject is containing(pat=emial.size) }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ \"a\" if emial.junk else \"b\" }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ [x.nme for x in custom.users] }}",
            "nme",
            "\"x\" has no \"nme\"",
            "did you mean \"name\"?",
        ),
        (
            "{{ [x.name for x in custom.users if other.id] }}",
            "other",
            "name \"other\" is not known",
            "known are email, custom, meta, x",
        ),
        (
            "{{ {\"a\": emial} }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ [1, ...emial] }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ range(end=emial.size) }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ not emial }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ email.subject[emial:] }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "ü é {{ emial.subject }}",
            "emial",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{{ \"emial.subject\" ~ emial }}",
            "emial }",
            "name \"emial\" is not known",
            "did you mean \"email\"?",
        ),
        (
            "{# emial #}{% raw %}{{ emial }}{% endraw %}{{ emial }}",
            "emial }}\0",
            "",
            "",
        ),
        (
            "{{ loop.index }}",
            "loop",
            "\"loop\" is not known by itself",
            "it is known within {% for %}",
        ),
        (
            "{{ __tera_context }}",
            "__tera",
            "name \"__tera_context\" is not known",
            "known are email, custom, meta",
        ),
    ] {
        match at.strip_suffix('\0') {
            None => one(source, at, problem, remedy),
            Some(at) => {
                let offset = source.rfind(at).unwrap();
                check_faults(
                    source,
                    &[(offset, "name \"emial\" is not known", "did you mean \"email\"?")],
                );
            }
        }
    }
}

#[test]
fn all_faults_are_told_in_their_order() {
    check_faults(
        "{{ emial }} {{ email.subject | uper }} {{ email.form }}",
        &[
            (3, "name \"emial\" is not known", "did you mean \"email\"?"),
            (31, "the filter \"uper\" is not known", "did you mean \"upper\"?"),
            (48, "\"email\" has no \"form\"", "did you mean \"from\"?"),
        ],
    );
}

#[test]
fn what_is_not_admitted_is_refused() {
    for (source, at, problem, remedy) in [
        (
            "{% set_global a = 1 %}",
            "set_global",
            "the tag \"set_global\" is not admitted",
            "write set; a value that grows from turn to turn is not bounded",
        ),
        (
            "{% include \"a\" %}",
            "include",
            "the tag \"include\" is not admitted",
            "write the text itself",
        ),
        (
            "{% extends \"a\" %}",
            "extends",
            "the tag \"extends\" is not admitted",
            "write the text itself",
        ),
        (
            "{% block a %}{% endblock %}",
            "block",
            "the tag \"block\" is not admitted",
            "write the text itself",
        ),
        (
            "{% component a() %}{% endcomponent %}",
            "component",
            "the tag \"component\" is not admitted",
            "write the text itself",
        ),
        (
            "{% <a> %}{% </a> %}",
            "<",
            "components are not admitted",
            "write the text itself",
        ),
        (
            "{{ <a /> }}",
            "<",
            "components are not admitted",
            "write the text itself",
        ),
        (
            "{% macro a() %}{% endmacro %}",
            "macro",
            "the tag \"macro\" is not admitted",
            "write the text itself",
        ),
        (
            "{% fro x in y %}",
            "fro",
            "the tag \"fro\" is not known",
            "did you mean \"for\"?",
        ),
        (
            "{% endif %}",
            "endif",
            "\"endif\" closes nothing here",
            "remove it, or open what it closes",
        ),
        (
            "{{ get_env(name=\"HOME\") }}",
            "get_env",
            "the function \"get_env\" is not known",
            "known are range",
        ),
        (
            "{{ now() }}",
            "now",
            "the function \"now\" is not known",
            "known are range",
        ),
        (
            "{{ throw(message=\"x\") }}",
            "throw",
            "the function \"throw\" is not known",
            "known are range",
        ),
        (
            "{{ super() }}",
            "super",
            "the function \"super\" is not known",
            "known are range",
        ),
        (
            "{{ upper(x=1) }}",
            "upper",
            "the function \"upper\" is not known",
            "it is a filter: write value | upper",
        ),
        (
            "{{ range(start=1) }}",
            "range",
            "\"range\" needs the argument \"end\"",
            "write range(end=…)",
        ),
        (
            "{{ range(end=100000) }}",
            "range",
            "the range has 100000 numbers",
            "at most 10000 are admitted",
        ),
        (
            "{{ email.subject | op_keep }}",
            "op_keep",
            "the filter \"op_keep\" is not known",
            "",
        ),
        (
            "{{ email.subject | safe }}",
            "safe",
            "the filter \"safe\" is not known",
            "",
        ),
    ] {
        let offset = source.find(at).unwrap();
        let faults = Template::compile(source, &names()).unwrap_err();
        assert_eq!((faults[0].offset, &*faults[0].problem), (offset, problem), "{source}");
        assert!(
            remedy.is_empty() || faults[0].remedy == remedy,
            "{source}: {}",
            faults[0].remedy
        );
    }
}

#[test]
fn filters_and_tests_are_given_what_they_take() {
    for (source, at, problem, remedy) in [
        (
            "{{ email.subject | befor(delimiter=\"a\") }}",
            "befor",
            "the filter \"befor\" is not known",
            "did you mean \"before\"?",
        ),
        (
            "{{ email.subject | before(delimeter=\"a\") }}",
            "before",
            "\"before\" needs the argument \"delimiter\"",
            "write before(delimiter=…)",
        ),
        (
            "{{ email.subject | before }}",
            "before",
            "\"before\" needs the argument \"delimiter\"",
            "write before(delimiter=…)",
        ),
        (
            "{{ email.subject | before(\"-\") }}",
            "\"-\"",
            "the arguments of \"before\" are written with their names",
            "write before(delimiter=…)",
        ),
        (
            "{{ email.subject | before(delimiter=\"\") }}",
            "\"\"",
            "delimiter is empty",
            "",
        ),
        (
            "{{ email.subject | before(delimiter=\"-\", last=\"true\") }}",
            "\"true",
            "last takes true or false, not a text",
            "write it without quotes",
        ),
        (
            "{{ email.subject | upper(x=1) }}",
            "x=",
            "\"upper\" has no argument \"x\"",
            "it takes none",
        ),
        (
            "{{ email.subject | truncate(length=\"5\") }}",
            "\"5",
            "length takes a whole number, not a text",
            "write it without quotes",
        ),
        (
            "{{ email.subject | truncate(length=5.5) }}",
            "5.5",
            "length takes a whole number, not 5.5",
            "",
        ),
        (
            "{{ email.subject | regex_find(pattern=\"(\") }}",
            "\"(",
            "the pattern \"(\" is no regular expression: unclosed group",
            "",
        ),
        (
            "{{ email.subject | regex_find(pattern=\"(?=a)\") }}",
            "\"(?",
            "the pattern \"(?=a)\" is no regular expression: look-around, including look-ahead and look-behind, is not supported",
            "",
        ),
        (
            "{{ email.subject | regex_find(pattern=\"\\\\w{9999}\") }}",
            "\"\\\\w",
            "the pattern \"\\\\w{9999}\" is too large when compiled",
            "repeat less often, or write [0-9A-Za-z_] for \\w: it knows all letters of Unicode",
        ),
        (
            "{{ email.subject | regex_capture(pattern=\"(a)\", group=2) }}",
            "2)",
            "the pattern \"(a)\" has no group \"2\"",
            "",
        ),
        (
            "{{ email.subject | regex_capture(pattern=\"val=.\") }}",
            "regex_capture",
            "the pattern \"val=.\" has no group \"1\"",
            "put what is wanted in ( ), or write regex_find",
        ),
        (
            "{{ email.subject | regex_capture(pattern=\"(a)\", group=\"x\") }}",
            "\"x",
            "the pattern \"(a)\" has no group \"x\"",
            "",
        ),
        (
            "{{ email.subject is matching(pat=\"[\") }}",
            "\"[",
            "the pattern \"[\" is no regular expression: unclosed character class",
            "",
        ),
        (
            "{{ email.subject is mathcing(pat=\"a\") }}",
            "mathcing",
            "the test \"mathcing\" is not known",
            "did you mean \"matching\"?",
        ),
        (
            "{{ email.subject is upper }}",
            "upper",
            "the test \"upper\" is not known",
            "it is a filter: write | upper",
        ),
        (
            "{{ email.subject | containing(pat=\"a\") }}",
            "containing",
            "the filter \"containing\" is not known",
            "it is a test: write is containing",
        ),
        (
            "{{ email.subject is containing(\"a\") }}",
            "\"a",
            "the arguments of \"containing\" are written with their names",
            "write containing(pat=…)",
        ),
        (
            "{{ email.subject | lines(select=\"a\") }}",
            "\"a",
            "\"a\" selects no lines",
            "write numbers from 1 as in \"1,3-4\" or \"2-\"",
        ),
        (
            "{{ email.subject | lines(select=\"4-3\") }}",
            "\"4",
            "\"4-3\" selects no lines",
            "write numbers from 1 as in \"1,3-4\" or \"2-\"",
        ),
        (
            "{{ email.date | format_date(timezone=\"Europe/Berln\") }}",
            "\"Eu",
            "the time zone \"Europe/Berln\" is not known",
            "write a name such as \"Europe/Berlin\"",
        ),
        (
            "{{ 2.5 | round(method=\"cell\") }}",
            "\"cell",
            "method can not be \"cell\"",
            "did you mean \"ceil\"?",
        ),
        (
            "{{ email.to | map(attribute=\"adress\") }}",
            "\"adress",
            "the elements have no \"adress\"",
            "did you mean \"address\"?",
        ),
        (
            "{{ email.to | upper }}",
            "email",
            "upper takes text, \"email.to\" is a list",
            "take an element with | first, or join them with | join(sep=\", \")",
        ),
        (
            "{{ email.subject | first }}",
            "email",
            "first takes a list, \"email.subject\" is text",
            "make it a list with | split(pat=\"…\")",
        ),
        (
            "{{ email.from | upper }}",
            "email",
            "upper takes text, \"email.from\" is a record",
            "name the part of it that is meant",
        ),
        (
            "{{ email.to.address }}",
            "address",
            "\"email.to\" is a list and has no \"address\"",
            "write email.to.0.address, or walk it: [x.address for x in email.to]",
        ),
        (
            "{{ email.subject.text }}",
            "text",
            "\"email.subject\" is text and has no \"text\"",
            "",
        ),
        (
            "{{ email.headers.x-foo }}",
            "x-foo",
            "the name \"x-foo\" has a hyphen",
            "write email.headers[\"x-foo\"]",
        ),
        (
            "{{ email.headers.x-foo-bar }}",
            "x-foo",
            "the name \"x-foo\" has a hyphen",
            "write email.headers[\"x-foo\"]",
        ),
        (
            "{% for c in email.subject %}{% endfor %}",
            "email",
            "\"email.subject\" is text and can not be walked",
            "split it: email.subject | split(pat=\"…\")",
        ),
        (
            "{% for k, v in email.to %}{% endfor %}",
            "email",
            "\"email.to\" is a list and has no keys",
            "write for v in email.to",
        ),
        (
            "{{ email.size == \"2048\" }}",
            "email",
            "== compares what is never alike: \"email.size\" is a number, \"\\\"2048\\\"\" is text",
            "write the number without quotes, or make the text a number with | int",
        ),
        (
            "{{ email.junk == \"true\" }}",
            "email",
            "== compares what is never alike: \"email.junk\" is true or false, \"\\\"true\\\"\" is text",
            "write the name by itself, or with not before it",
        ),
        (
            "{{ \"b@x.org\" in email.to }}",
            "\"b@",
            "in finds nothing: \"\\\"b@x.org\\\"\" is text, an element of \"email.to\" is a record",
            "write \"b@x.org\" in email.to | map(attribute=\"address\")",
        ),
        (
            "{{ email.to is containing(pat=\"b@x.org\") }}",
            "\"b@",
            "containing finds nothing: \"\\\"b@x.org\\\"\" is text, an element of \"email.to\" is a record",
            "write \"b@x.org\" in email.to | map(attribute=\"address\")",
        ),
        (
            "{{ \"7\" in email.ticket_ids }}",
            "\"7",
            "in finds nothing: \"\\\"7\\\"\" is text, an element of \"email.ticket_ids\" is a number",
            "",
        ),
        (
            "{{ email.from == \"ann@x\" }}",
            "email",
            "== compares what is never alike: \"email.from\" is a record, \"\\\"ann@x\\\"\" is text",
            "name the part of it that is meant: email.from.address",
        ),
        (
            "{{ email.ticket_ids == 42 }}",
            "email",
            "== compares what is never alike: \"email.ticket_ids\" is a list, \"42\" is a number",
            "write 42 in email.ticket_ids",
        ),
        (
            "{{ email.attachments == 0 }}",
            "email",
            "== compares what is never alike: \"email.attachments\" is a list, \"0\" is a number",
            "write email.attachments | length == 0",
        ),
        (
            "{{ email.attachments > 0 }}",
            "email",
            "> takes two numbers or two texts: \"email.attachments\" is a list, \"0\" is a number",
            "write email.attachments | length > 0",
        ),
        (
            "{{ 0 < email.attachments }}",
            "0",
            "< takes two numbers or two texts: \"0\" is a number, \"email.attachments\" is a list",
            "write 0 < email.attachments | length",
        ),
        (
            "{{ email.junk > false }}",
            "email",
            "> takes two numbers or two texts: \"email.junk\" is true or false, \"false\" is true or false",
            "write the name by itself, or with not before it",
        ),
        (
            "{{ email.headers[\"X-Foo\"] }}",
            "\"X",
            "\"email.headers\" has its names in lower case, not \"X-Foo\"",
            "write \"x-foo\"",
        ),
        (
            "{{ email.headers | get(key=\"X-Foo\") }}",
            "\"X",
            "\"email.headers\" has its names in lower case, not \"X-Foo\"",
            "write \"x-foo\"",
        ),
        (
            "{{ \"X-Foo\" in email.headers }}",
            "\"X",
            "\"email.headers\" has its names in lower case, not \"X-Foo\"",
            "write \"x-foo\"",
        ),
        (
            "{% set last = \"\" %}{% for to in email.to %}{% set last = to.address %}{% endfor %}{{ last }}",
            "last }}",
            "what \"last\" was set to inside the loop is forgotten after it",
            "make a list of it: [x.name for x in …], and take | first or | last; or put {% set x %}…{% endset %} around the loop",
        ),
        (
            "{{ email.subject + \"x\" }}",
            "email",
            "+ takes numbers, \"email.subject\" is text",
            "join texts with ~",
        ),
        (
            "{{ \"a\" in email.size }}",
            "email",
            "\"email.size\" is a number and can not contain anything",
            "",
        ),
    ] {
        let offset = source.find(at).unwrap();
        let faults = Template::compile(source, &names()).unwrap_err();
        assert_eq!(
            (faults[0].offset, &*faults[0].problem, &*faults[0].remedy),
            (offset, problem, remedy),
            "{source}"
        );
    }
}

#[test]
fn what_is_no_expression_is_told_where_it_ends_to_be_one() {
    for (source, offset, problem, remedy) in [
        ("{{ email.subject", 0, "\"{{\" is not closed", "end it with }}"),
        ("a {% if email.junk", 2, "\"{%\" is not closed", "end it with %}"),
        ("a {# b", 2, "the comment is not closed", "end it with #}"),
        (
            "{% raw %} a",
            0,
            "the raw block is not closed",
            "end it with {% endraw %}",
        ),
        ("{{ \"abc }}", 3, "the text in quotes is not closed", "end it with \""),
        (
            "{{ \"\\d\" }}",
            4,
            "the escape \\d is not known",
            "for a backslash write \\\\d",
        ),
        (
            "{{ email.subject | }}",
            19,
            "\"}}\" stands where the name of a filter is expected",
            "",
        ),
        ("{{ email. }}", 10, "\"}}\" stands where a name is expected", ""),
        ("{{ }}", 3, "\"}}\" stands where a value is expected", ""),
        ("{{ 1 + }}", 7, "\"}}\" stands where a value is expected", ""),
        (
            "{{ email.size = 3 }}",
            14,
            "\"=\" stands where the end of the tag is expected",
            "to compare, write ==",
        ),
        (
            "{{ !email.junk }}",
            3,
            "\"!\" stands where a value is expected",
            "write not",
        ),
        (
            "{{ email.junk && true }}",
            14,
            "the character '&' can not stand here",
            "write and",
        ),
        (
            "{{ email.junk || true }}",
            15,
            "\"|\" stands where the name of a filter is expected",
            "",
        ),
        ("{{ (1 + 2 }}", 10, "\"}}\" stands where \")\" is expected", ""),
        (
            "{{ (email.to | first).local }}",
            21,
            "\".\" stands where the end of the tag is expected",
            "after a bracket write [\"name\"] for .name",
        ),
        (
            "{{ email.from() }}",
            13,
            "only a function can be called, and it has no dots in its name",
            "a filter is written value | filter(name=…)",
        ),
        ("{{ a if b }}", 10, "\"}}\" stands where \"else\" is expected", ""),
        (
            "{% if email.junk %}a",
            20,
            "{% endif %} is missing",
            "close what was opened",
        ),
        (
            "{% for a in email.to %}a",
            24,
            "{% endfor %} is missing",
            "close what was opened",
        ),
        (
            "{% for in email.to %}",
            7,
            "\"in\" is reserved and can not be a variable",
            "take another name",
        ),
        (
            "{% for a of email.to %}",
            9,
            "\"of\" stands where \"in\" is expected",
            "",
        ),
        (
            "{% set loop = 1 %}",
            7,
            "\"loop\" is reserved and can not be a variable",
            "take another name",
        ),
        (
            "{% set __a = 1 %}",
            7,
            "\"__a\" is reserved and can not be a variable",
            "take another name",
        ),
        (
            "{% break %}",
            0,
            "\"break\" stands in no loop",
            "it belongs between {% for … %} and {% endfor %}",
        ),
        (
            "{% for a in email.to %}{% set x %}{% break %}{% endset %}{% endfor %}",
            34,
            "\"break\" stands in no loop",
            "it belongs between {% for … %} and {% endfor %}",
        ),
        (
            "{{ email.subject | before(delimiter=\"a\", delimiter=\"b\") }}",
            41,
            "the argument \"delimiter\" is given twice",
            "leave one out",
        ),
        (
            "{{ 99999999999999999999 }}",
            3,
            "the number 99999999999999999999 is too large",
            "at most 9223372036854775807",
        ),
        (
            "ü {{ email.betreff ü }}",
            20,
            "the character 'ü' can not stand here",
            "texts stand in quotes, names are letters, digits and _",
        ),
        (
            "{{ email.to[] }}",
            12,
            "nothing stands in the brackets",
            "write [0] or [\"name\"]",
        ),
    ] {
        check_faults(source, &[(offset, problem, remedy)]);
    }
}

#[test]
fn a_condition_has_no_braces_and_is_not_empty() {
    let fault = |source: &str| Condition::compile(source, &names()).unwrap_err().remove(0);
    assert_eq!(fault(" {{ email.junk }}").remedy, "write email.junk");
    assert_eq!(fault(" {{ email.junk }}").offset, 1);
    assert_eq!(fault("  ").problem, "the expression is empty");
    assert_eq!(fault("email.junk and").offset, 14);
    assert_eq!(
        fault("email.junk email.size").problem,
        "\"email\" stands where the end of the expression is expected"
    );
    assert_eq!(fault("ü").offset, 0);
    assert_eq!(fault("email.junk or emial.junk").offset, 14);
}

#[test]
fn a_bomb_of_brackets_is_refused_at_once() {
    for source in [
        format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("{{{{ {}1{} }}}}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(50_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(50_000)),
        format!("{{{{ 1{} }}}}", " + 1".repeat(50_000)),
        format!("{{{{ email{} }}}}", ".from".repeat(50_000)),
        format!("{{{{ email.subject{} }}}}", " | upper".repeat(50_000)),
        format!("{}a{}", "{% if true %}".repeat(50_000), "{% endif %}".repeat(50_000)),
        format!("{{{{ {}1{} }}}}", "{\"a\": ".repeat(50_000), "} ".repeat(50_000)),
        format!("{{{{ 1{} }}}}", " if true else 1".repeat(50_000)),
    ] {
        let began = std::time::Instant::now();
        let faults = Template::compile(&source, &names()).unwrap_err();
        assert!(
            faults[0].problem.contains("too deeply") || faults[0].problem.contains("too long"),
            "{:?}",
            faults[0]
        );
        assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    }
}

#[test]
fn a_variable_of_a_loop_is_known_where_it_is_set_anew() {
    let set = "{% for to in email.to %}{% set x = to.address %}{{ x }}{% endfor %}";
    for after in [
        "{% set x = \"\" %}{{ x }}",
        "{% for x in email.to %}{{ x.address }}{% endfor %}",
        "{{ [x.address for x in email.to] | first }}",
    ] {
        check_faults(&format!("{set}{after}"), &[]);
    }
    assert!(Template::compile(&format!("{set}{{{{ x }}}}"), &names()).is_err());
}

#[test]
fn long_lists_and_many_clauses_are_admitted_in_a_condition() {
    let domains: Vec<String> = (0..2000).map(|number| format!("\"d{number}.example\"")).collect();
    let list = format!("email.from.domain in [{}]", domains.join(", "));
    let clauses = |count: usize| vec!["email.from.domain == \"a.example\""; count].join(" or ");
    for source in [
        &list,
        &clauses(240),
        &format!("({}) and not ({})", clauses(100), clauses(100)),
    ] {
        let condition = Condition::compile(source, &names()).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(condition.evaluate(&scope()).is_ok());
    }
    let faults = Condition::compile(&clauses(242), &names()).unwrap_err();
    assert_eq!(faults[0].problem, "the condition is too long: more than 240 clauses");
    assert!(faults[0].remedy.starts_with("write name in ["));
    let long = Condition::compile(&vec!["1"; 200].join(" + "), &names()).unwrap_err();
    assert_eq!(
        long[0].problem,
        "the expression is too long: more than 240 names, values, operators and calls"
    );
}

#[test]
fn what_our_bounds_admit_and_tera_does_not_is_a_fault_too() {
    for depth in 1..24 {
        let source = format!("{{{{ {}1{} }}}}", "(1 + ".repeat(depth), ")".repeat(depth));
        if let Err(faults) = Template::compile(&source, &names()) {
            assert!(faults[0].problem.contains("too"), "{depth}: {faults:?}");
            assert!(faults[0].offset < source.len());
        }
    }
}

/// Words that expressions are made of, good ones and others.
const SOUP: [&str; 64] = [
    "email",
    ".from",
    ".address",
    ".to",
    ".0",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    "~",
    "+",
    "|",
    " upper ",
    " first ",
    " is ",
    " not ",
    " in ",
    " and ",
    " or ",
    " if ",
    " else ",
    " for ",
    " x ",
    " endfor ",
    " endif ",
    " set ",
    " endset ",
    " filter ",
    " endfilter ",
    " containing(pat=",
    " before(delimiter=",
    "\"a\"",
    "'b'",
    "\"",
    "`",
    "1",
    "2.5",
    "=",
    "==",
    "<",
    ">=",
    ",",
    ":",
    "...",
    "?.",
    "?[",
    " true ",
    " none ",
    " loop ",
    "ü",
    "\n",
    " range(end=3) ",
    " custom.any",
    "\\",
];

/// Whole pieces, put together at random: these are expressions more often than not.
const PIECES: [&str; 24] = [
    "email.from.address",
    "email.to",
    "custom.any.list",
    "custom.sender.user",
    "1",
    "\"a\"",
    " | length",
    " | default(value=2)",
    " | str | upper",
    " is defined",
    " is not containing(pat=\"a\")",
    " and ",
    " or ",
    " == ",
    " ~ ",
    " in ",
    " if email.junk else ",
    "not ",
    "(",
    ")",
    "[",
    "]",
    " not in ",
    "[x for x in ",
];

/// A row of numbers that is the same each time.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % below as u64).unwrap()
    }
}

#[test]
fn nonsense_is_refused_or_rendered_and_our_grammar_is_teras() {
    let (names, scope) = (names(), scope());
    let mut next = numbers(1);
    let mut admitted = 0;
    for round in 0..6000 {
        let words: &[&str] = if round % 2 == 0 { &SOUP } else { &PIECES };
        let length = 1 + next(9);
        let inner: String = (0..length).map(|_| words[next(words.len())]).collect();
        let source = [
            format!("{{{{ {inner} }}}}"),
            format!("{{% if {inner} %}}a{{% endif %}}"),
            format!("ü{inner}"),
        ][next(3)]
        .clone();
        let whole = Template::compile(&source, &names).map(|template| template.render(&scope));
        let bare = Condition::compile(&inner, &names).map(|condition| condition.evaluate(&scope));
        admitted += usize::from(whole.is_ok()) + usize::from(bare.is_ok());
        let faults = [whole.err(), bare.err()];
        for fault in faults.into_iter().flatten().flatten() {
            assert!(!fault.problem.contains("can not be compiled"), "{source}: {fault:?}");
            assert!(fault.offset <= source.len(), "{source}: {fault:?}");
        }
    }
    assert!(admitted > 1000, "{admitted}");
}

#[test]
fn each_bracket_and_branch_of_tera_is_admitted_by_tera() {
    for source in [
        "{{ {\"a\": 1, \"b\": [1, 2], 3: true, true: none,}[\"b\"][0] }}",
        "{{ [1, 2,] }}{{ email.subject | replace(from=\"a\", to=\"b\",) }}",
        "{{ \"a }} b\" ~ '%}' }}{% if \"%}\" == \"}}\" %}{% endif %}",
        "{{ \"{# {% raw %} {{\" }}",
        "{{- \"a\" -}}{%- if true -%}{%- endif -%}{#--#}",
        "{% raw -%} {% if %} {%- endraw %}",
        "{% for x in [1] -%} {%- else -%} {%- endfor %}",
        "{{ (not email.junk) == (not email.junk) }}",
        "{{ not (email.junk or true) and not email.junk }}",
        "{{ -(1 + 2) ** -2 | abs }}",
        "{{ (1 if email.junk else 2) | abs }}",
        "{{ ((\"a\")) ~ (((\"b\"))) }}",
        "{{ [(1 if true else 2) for x in (email.to if true else [])] }}",
        "{{ email.to[email.to[email.to[0].local | length].local | length].local }}",
        "{% set x = email.junk if true else [email.to] %}",
        "{% set x | default(value=\"a\" ~ \"b\") %}{% endset %}",
        "{% filter default(value=\"\") | upper %}{% endfilter %}",
        "{% if true %}{% elif false %}{% elif true %}{% else %}{% endif %}",
        "{{ range(end=1 if email.junk else 2) }}",
        "{{ loop ~ 1 if false else 2 }}{% for x in [1] %}{{ [loop.index for y in [1]] }}{% endfor %}",
    ] {
        let faults = Template::compile(source, &names()).err().unwrap_or_default();
        assert!(
            faults.iter().all(|fault| fault.problem.contains("loop")),
            "{source}: {faults:?}"
        );
    }
}
