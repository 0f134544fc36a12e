//! What texts render to.

use super::*;

#[test]
fn names_paths_and_indexes_give_their_values() {
    for (source, expected) in [
        ("plain", "plain"),
        ("{{ email.from.address }}", "ann.lee@example.org"),
        ("Hello {{email.from.name}}!", "Hello Ann Lee!"),
        ("{{ email.to.0.address }}", "help@example.org"),
        ("{{ email.to[1].address }}", "desk@example.org"),
        ("{{ email.to[-1].address }}", "desk@example.org"),
        ("{{ email.to[5].address }}", ""),
        ("{{ email.to.9.address }}", ""),
        ("{{ email.headers.subject }}", "Printer"),
        ("{{ email.headers[\"x-foo\"] }}", "bar"),
        ("{{ email.headers['x-bar'] }}", ""),
        ("{{ email.headers.missing }}", ""),
        ("{{ email['from']['name'] }}", "Ann Lee"),
        ("{{ email?.from?.name }}", "Ann Lee"),
        ("{{ email.subject[0] }}{{ email.subject[-1] }}", "R7"),
        (
            "{{ email.subject[0:2] }}|{{ email.subject[-3:] }}|{{ \"abc\"[::-1] }}",
            "Re|ü 7|cba",
        ),
        ("{{ email.references[1:] | join }}", "two@example.org"),
        ("{{ email.size }} {{ email.junk }}", "2048 false"),
        ("{{ custom.any.list }}", "[1,2.5,\"x\"]"),
        ("{{ custom.any[\"list\"][1] }}", "2.5"),
        ("{{ custom.any.no.such.thing }}", ""),
        ("{{ custom.known.user.raw.deep.er[1] }}", "2"),
        ("{{ \"email.subject\" }}", "email.subject"),
        ("{{ 'it\\'s' }} {{ \"a\\nb\" }} {{ `c` }}", "it's a\nb c"),
        ("{{ \"a }} b\" }}{% if \"%}\" == \"%}\" %}c{% endif %}", "a }} bc"),
        ("{{ {\"a\": {\"b\": 1}} }}", "{\"a\":{\"b\":1}}"),
        ("{{ {\"a\": {\"b\": 1}}[\"a\"][\"b\"] }}", "1"),
        ("{{ {...custom.users[0], \"x\": 1}[\"name\"] }}", "Bo"),
        ("{{ [1, ...[2, 3], 4] }}", "[1,2,3,4]"),
        ("{{ (email.to | first)[\"local\"] }}", "help"),
    ] {
        check(source, expected);
    }
}

#[test]
fn under_a_null_is_nothing() {
    for (source, expected) in [
        ("{{ custom.sender.user.id }}", ""),
        ("{{ custom.sender.user }}", ""),
        ("{{ custom.sender.user.name | upper }}", ""),
        ("{{ custom.sender.user.raw.a.b[3].c }}", ""),
        (
            "{{ email.report.status }}|{{ email.report.status | default(value=\"none\") }}",
            "|none",
        ),
        ("{% if custom.sender.user.id %}yes{% else %}no{% endif %}", "no"),
        ("{% if custom.sender.user.id > 3 %}yes{% else %}no{% endif %}", "no"),
        ("{% if custom.sender.user.id == none %}yes{% endif %}", "yes"),
        ("{% if custom.sender.user is defined %}yes{% else %}no{% endif %}", "no"),
        ("{{ custom.sender.user.name ~ \"!\" }}", "!"),
        (
            "{% for x in custom.sender.user.raw.list %}{{ x }}{% else %}empty{% endfor %}",
            "empty",
        ),
        ("{{ [...custom.any.nothing, 1] }}", "[1]"),
        ("{{ custom.any.nothing | length }}", "0"),
        ("{{ \"a\" in custom.any.nothing }}", "false"),
        (
            "{% for k, v in custom.any.nothing %}{{ k }}{% else %}empty{% endfor %}",
            "empty",
        ),
        ("{{ [k for k, v in custom.any.nothing] | length }}", "0"),
        (
            "{{ \"192.0.2.1\" | registrable_domain }}{{ \"a@[192.0.2.1]\" | registrable_domain }}",
            "",
        ),
        ("{{ custom.any.list[custom.any.nothing] }}", ""),
        ("{{ none }}{{ null }}", ""),
    ] {
        check(source, expected);
    }
}

#[test]
fn whole_numbers_have_no_point() {
    for (source, expected) in [
        ("{{ custom.known.user.id }}", "42"),
        ("{{ email.ticket_ids[0] }}", "1234"),
        ("{{ custom.known.user.id ~ \"\" }}", "42"),
        ("{{ 1.5 }} {{ 2.0 }} {{ 4 / 2 }} {{ 5 / 2 }}", "1.5 2 2 2.5"),
        (
            "{{ 1 + 2 * 3 - 4 }} {{ 2 ** 3 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 4 }}",
            "3 512 3 -4 3",
        ),
        ("{{ -5 }} {{ -5 | abs }} {{ 2 ** -1 }}", "-5 5 0.5"),
        ("{{ (1 + 2) * 3 }}", "9"),
    ] {
        check(source, expected);
    }
}

#[test]
fn operators_bind_as_in_tera() {
    for (source, expected) in [
        ("{{ 1 + 2 | abs }}", "3"),
        ("{{ \"a\" ~ 1 + 2 }}", ""),
        ("{{ not email.junk and email.size > 1000 }}", "true"),
        ("{{ not \"x\" is containing(pat=\"y\") }}", "true"),
        ("{{ not \"a\" == \"b\" }}", "true"),
        ("{{ 1 == 1 and 2 == 3 or true }}", "true"),
        ("{{ true or false and false }}", "true"),
        (
            "{{ \"Printer\" in email.subject }} {{ \"x\" not in email.subject }}",
            "true true",
        ),
        (
            "{{ \"x-foo\" in email.headers }} {{ 7 in email.ticket_ids }}",
            "true true",
        ),
        ("{{ email.subject is not starting_with(pat=\"Re\") }}", "false"),
        ("{{ \"big\" if email.size > 1000 else \"small\" }}", "big"),
        ("{{ 1 if false else 2 if false else 3 }}", "3"),
        ("{{ (email.note if false else email.subject) | length }}", ""),
        ("{{ \"a\" ~ \"b\" ~ 3 }}", "ab3"),
        ("{{ 1 != 2 }} {{ 2 >= 2 }} {{ \"a\" < \"b\" }}", "true true true"),
        ("{{ email.from.name or \"nobody\" }}", "Ann Lee"),
        ("{{ [x.name | upper for x in custom.users if x.id > 1] }}", "[\"BO\"]"),
        ("{{ [k ~ v for k, v in email.headers][0] }}", "subjectPrinter"),
    ] {
        if expected.is_empty() {
            assert!(Template::compile(source, &names()).is_err(), "{source}");
        } else {
            check(source, expected);
        }
    }
}

#[test]
fn tags_do_what_tera_does() {
    for (source, expected) in [
        (
            "{% if email.junk %}a{% elif email.size > 1 %}b{% else %}c{% endif %}",
            "b",
        ),
        (
            "{% for t in email.to %}{{ loop.index }}{{ t.local }}{% if not loop.last %},{% endif %}{% endfor %}",
            "1help,2desk",
        ),
        (
            "{% for k, v in email.headers %}{{ k }}={{ v }} {% endfor %}",
            "subject=Printer x-foo=bar zeta=z alpha=a ",
        ),
        ("{% for i in range(end=3) %}{{ i }}{% endfor %}", "012"),
        (
            "{% for i in range(start=5, end=0, step_by=-2) %}{{ i }}{% endfor %}",
            "531",
        ),
        (
            "{% for i in [1,2,3,4] %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "13",
        ),
        ("{% set x = email.from %}{{ x.name }}", "Ann Lee"),
        (
            "{% set x %} a {{ email.from.local }} {% endset %}[{{ x }}]",
            "[ a ann.lee ]",
        ),
        ("{% set x | trim | upper %} a {% endset %}[{{ x }}]", "[A]"),
        (
            "{% filter upper | trim %} {{ email.from.local }} {% endfilter %}",
            "ANN.LEE",
        ),
        ("a {#- gone {{ emial }} -#} b", "ab"),
        ("{% raw %}{{ emial.subject }}{% endraw %}", "{{ emial.subject }}"),
        ("a  {{- email.from.local -}}  b", "aann.leeb"),
        ("a {%- if true -%} b {%- endif -%} c", "abc"),
        ("{% if custom.sender.found %}{% set y = 1 %}{% endif %}[{{ y }}]", "[]"),
        ("{ {{ email.from.local }} }", "{ ann.lee }"),
        (
            "{% for a in email.to %}{% for b in email.to %}{{ a.local[0] }}{{ b.local[0] }} {% endfor %}{% endfor %}",
            "hh hd dh dd ",
        ),
    ] {
        check(source, expected);
    }
}

#[test]
fn what_a_message_holds_is_never_evaluated() {
    check(
        "{{ email.body | lines(select=\"2\") }}",
        "the printer is {{ 7*7 }} on fire.",
    );
    check(
        "{% set a = email.body %}{% filter trim %}{{ a | lines(select=\"2\") }}{% endfilter %}",
        "the printer is {{ 7*7 }} on fire.",
    );
    check("{{ email.html }}", "<p>Hello &amp; <b>bye</b></p>");
}

#[test]
fn cutting_filters_cut() {
    for (source, expected) in [
        ("{{ \"a-b-c\" | before(delimiter=\"-\") }}", "a"),
        ("{{ \"a-b-c\" | before(delimiter=\"-\", last=true) }}", "a-b"),
        ("{{ \"a-b-c\" | after(delimiter=\"-\") }}", "b-c"),
        ("{{ \"a-b-c\" | after(delimiter=\"-\", last=true) }}", "c"),
        (
            "{{ \"aXb\" | after(delimiter=\"x\") }}|{{ \"aXb\" | after(delimiter=\"x\", ignore_case=true) }}",
            "|b",
        ),
        (
            "{{ \"İx Sep y\" | before(delimiter=\"SEP\", ignore_case=true) }}",
            "İx ",
        ),
        ("{{ email.subject | between(start=\"[ID:\", end=\"]\") }}", "0001234"),
        ("{{ \"(a)(b)\" | between(start=\"(\", end=\")\", last=true) }}", "b"),
        (
            "{{ \"<A>x</a>\" | between(start=\"<a>\", end=\"</A>\", ignore_case=true) }}",
            "x",
        ),
        ("{{ \"(a\" | between(start=\"(\", end=\")\") }}", ""),
        ("{{ email.subject | regex_find(pattern=\"[0-9]{4,}\") | int }}", "1234"),
        ("{{ email.subject | regex_find(pattern=\"nothing\") }}", ""),
        (
            "{{ email.subject | regex_capture(pattern=\"ID:(\\\\d+)\") }}",
            "0001234",
        ),
        (
            "{{ \"k=v\" | regex_capture(pattern=\"(\\\\w)=(?P<value>\\\\w)\", group=\"value\") }}",
            "v",
        ),
        (
            "{{ \"k=v\" | regex_capture(pattern=\"(\\\\w)=(\\\\w)\", group=2) }}",
            "v",
        ),
        (
            "{{ \"k=v\" | regex_capture(pattern=\"(\\\\w)=(\\\\w)\", group=0) }}",
            "k=v",
        ),
        (
            "{{ \"a12b\" | before_regex(pattern=\"[0-9]+\") }}{{ \"a12b\" | after_regex(pattern=\"[0-9]+\") }}",
            "ab",
        ),
        (
            "{{ \"ab\" | before_regex(pattern=\"x\") }}{{ \"ab\" | after_regex(pattern=\"x\") }}",
            "",
        ),
        ("{{ \"a.b\" | regex_find(pattern=\"a.b\" | regex_escape) }}", "a.b"),
        ("{{ email.body | lines(select=\"1,4-5\") }}", "Hello,\nRegards\nAnn"),
        (
            "{{ \"a\nb\nc\" | lines(select=\"2-\") }}|{{ \"a\" | lines(select=\"7\") }}",
            "b\nc|",
        ),
    ] {
        check(source, expected);
    }
}

#[test]
fn mail_filters_know_addresses_and_names() {
    for (source, expected) in [
        ("{{ \"Ann <Ann@Example.ORG>\" | domain }}", "example.org"),
        ("{{ email.from.address | local_part }}", "ann.lee"),
        ("{{ \"no address\" | domain }}{{ \"no address\" | local_part }}", ""),
        (
            "{{ \"Ann Lee\" | first_name }}|{{ \"Ann Lee\" | last_name }}",
            "Ann|Lee",
        ),
        (
            "{{ \"Lee, Ann\" | first_name }}|{{ \"Lee, Ann\" | last_name }}",
            "Ann|Lee",
        ),
        (
            "{{ \"Lee, Ann (Sales)\" | first_name }}|{{ \"Lee, Ann (Sales)\" | last_name }}",
            "Ann|Lee",
        ),
        (
            "{{ \"Jan Piet van der Berg\" | first_name }}|{{ \"Jan Piet van der Berg\" | last_name }}",
            "Jan|van der Berg",
        ),
        ("{{ \"van der Berg, Jan\" | last_name }}", "van der Berg"),
        ("{{ \"Ann\" | first_name }}|{{ \"Ann\" | last_name }}", "Ann|"),
        (
            "{{ \"Dr. Ann Lee\" | first_name }}|{{ \"Prof. Dr. Ann Lee\" | last_name }}",
            "Ann|Lee",
        ),
        (
            "{{ \"Ann Lee, PhD\" | first_name }}|{{ \"Ann Lee, Ph.D.\" | last_name }}",
            "Ann|Lee",
        ),
        (
            "{{ \"Lee Jr., Dr. Ann\" | first_name }}|{{ \"Lee Jr., Ann\" | last_name }}",
            "Ann|Lee",
        ),
        (
            "{{ \"[EXT] Ann Lee\" | first_name }}|{{ \"(External) Lee, Ann\" | last_name }}",
            "Ann|Lee",
        ),
        ("{{ \"Dr.\" | first_name }}|{{ \"Mag\" | first_name }}", "Dr.|Mag"),
        (
            "{{ email.from.address | first_name }}|{{ email.from.address | last_name }}",
            "Ann|Lee",
        ),
        ("{{ \"\" | first_name }}{{ \"\" | last_name }}", ""),
        ("{{ \"a@mail.example.co.uk\" | registrable_domain }}", "example.co.uk"),
        ("{{ \"shop.example.com\" | registrable_domain }}", "example.com"),
        ("{{ \"localhost\" | registrable_domain }}", ""),
        (
            "{{ \"a@gmail.com\" | is_freemail }} {{ email.from.domain | is_freemail }}",
            "true false",
        ),
        ("{{ email.html | strip_html }}", "Hello & bye"),
    ] {
        check(source, expected);
    }
}

#[test]
fn the_configured_domains_are_free_mail_too() {
    let template = Template::compile("{{ \"x@Free.Example\" | is_freemail }}", &names()).unwrap();
    assert_eq!(template.render(&scope()).unwrap(), "false");
    assert_eq!(
        template
            .render(&scope().with_freemail(&["free.example".to_owned()]))
            .unwrap(),
        "true"
    );
}

#[test]
fn text_filters_change_texts() {
    for (source, expected) in [
        ("{{ \"äb\" | upper }}{{ \"ÄB\" | lower }}", "ÄBäb"),
        (
            "{{ \"hELLO wORLD\" | capitalize }} {{ \"it's a dAY\" | title }}",
            "Hello world It's A Day",
        ),
        (
            "[{{ \" a \" | trim }}][{{ \" a \" | trim_start }}][{{ \" a \" | trim_end }}]",
            "[a][a ][ a]",
        ),
        ("{{ \"--a--\" | trim(pat=\"-\") }}", "a"),
        ("{{ \"a.b.c\" | replace(from=\".\", to=\"::\") }}", "a::b::c"),
        (
            "{{ \"Übergabe\" | truncate(length=4) }} {{ \"ab\" | truncate(length=4) }} {{ \"abc\" | truncate(length=1, end=\"\") }}",
            "Über… ab a",
        ),
        (
            "{{ \"a\nb\" | indent }}|{{ \"a\nb\" | indent(width=1, first=true) }}",
            "a\n    b| a\n b",
        ),
        ("{{ \"a\r\nb\nc\" | newlines_to_br }}", "a<br>b<br>c"),
        ("{{ \"<a href='x'>\" | escape_html }}", "&lt;a href=&#39;x&#39;&gt;"),
        ("{{ \"a b/ü\" | urlencode }}", "a%20b%2F%C3%BC"),
        ("{{ \"a,b\" | split(pat=\",\") | last }}", "b"),
        ("{{ \"a b  c\" | wordcount }} {{ \"äöü\" | length }}", "3 3"),
        (
            "{{ 5 | str ~ \"x\" }} {{ custom.users[0] | json_encode }}",
            "5x {\"id\":2,\"name\":\"Bo\",\"raw\":{}}",
        ),
        (
            "{{ custom.note | default(value=\"-\") }} {{ 0 | default(value=1) }} {{ 0 | default(value=1, boolean=true) }}",
            "- 0 1",
        ),
        (
            "{{ \"abc\" | reverse }} {{ \"abcdef\" | slice(start=1, end=-1) }}",
            "cba bcde",
        ),
    ] {
        check(source, expected);
    }
}

#[test]
fn number_and_date_filters_count() {
    for (source, expected) in [
        (
            "{{ \" 12 \" | int }} {{ \"3.0\" | int }} {{ \"ff\" | int(base=16) }} {{ 3.7 | int }} [{{ \"\" | int }}]",
            "12 3 255 3 []",
        ),
        ("{{ \"1.5\" | float }} {{ 2 | float }}", "1.5 2"),
        (
            "{{ 2.5 | round }} {{ 2.14 | round(precision=1) }} {{ 2.1 | round(method=\"ceil\") }}",
            "3 2.1 3",
        ),
        (
            "{{ 1 }} file{{ 1 | pluralize }}, {{ 2 }} file{{ 2 | pluralize }}, bus{{ 2 | pluralize(plural=\"es\") }}",
            "1 file, 2 files, buses",
        ),
        ("{{ email.date | format_date }}", "2026-07-01 08:30"),
        (
            "{{ email.date | format_date(timezone=\"Europe/Berlin\", format=\"%d.%m.%Y %H:%M\") }}",
            "01.07.2026 10:30",
        ),
        ("{{ custom.note | format_date }}", ""),
    ] {
        check(source, expected);
    }
}

#[test]
fn list_and_map_filters_pick() {
    for (source, expected) in [
        (
            "{{ email.references | first }} {{ email.references | last }} {{ email.references | nth(n=1) }}",
            "one@example.org two@example.org two@example.org",
        ),
        (
            "{{ email.to | map(attribute=\"address\") | join(sep=\", \") }}",
            "help@example.org, desk@example.org",
        ),
        (
            "{{ custom.users | sort(attribute=\"id\") | map(attribute=\"name\") | join }}",
            "AlBo",
        ),
        (
            "{{ [3, 1, 2] | sort | reverse }} {{ [1, 1, 2] | unique }} {{ [1, 2, 3] | slice(start=-2) }}",
            "[3,2,1] [1,2] [2,3]",
        ),
        (
            "{{ (email.attachments | filter(attribute=\"inline\") | first)[\"name\"] }}",
            "b.png",
        ),
        (
            "{{ email.attachments | filter(attribute=\"size\", value=10) | length }}",
            "1",
        ),
        (
            "{{ email.headers | get(key=\"x-foo\") }} {{ email.headers | get(key=\"no\", default=\"d\") }}",
            "bar d",
        ),
        (
            "{{ email.headers | keys | join(sep=\" \") }}",
            "subject x-foo zeta alpha",
        ),
        (
            "{{ email.headers | values | first }} {{ email.headers | pairs | first }} {{ email.headers | length }}",
            "Printer [\"subject\",\"Printer\"] 4",
        ),
    ] {
        check(source, expected);
    }
}

#[test]
fn tests_answer() {
    for (test, expected) in [
        ("email.subject is containing(pat=\"Printer\")", true),
        ("email.subject is containing(pat=\"printer\", ignore_case=true)", true),
        ("email.references is containing(pat=\"one@example.org\")", true),
        ("email.headers is containing(pat=\"x-foo\")", true),
        ("email.subject is starting_with(pat=\"Re:\")", true),
        ("email.subject is starting_with(pat=\"re:\", ignore_case=true)", true),
        ("email.subject is ending_with(pat=\"ü 7\")", true),
        ("email.subject is ending_with(pat=\"Ü 7\", ignore_case=true)", true),
        ("email.subject is matching(pat=\"(?i)printer.*[0-9]{7}\")", true),
        ("custom.sender.user.name is matching(pat=\".*\")", false),
        ("custom.sender.user is undefined", true),
        ("custom.sender.user is none", true),
        ("email.subject is defined and email.subject is string", true),
        ("email.size is number and email.size is integer", true),
        ("2.5 is float and 2.0 is not float", true),
        (
            "email.junk is bool and email.to is array and email.from is map and email.headers is iterable",
            true,
        ),
        (
            "3 is odd and 4 is even and 9 is divisible_by(divisor=3) and 9 is not divisible_by(divisor=0)",
            true,
        ),
    ] {
        check(&format!("{{{{ {test} }}}}"), if expected { "true" } else { "false" });
    }
}

#[test]
fn what_a_filter_can_not_take_is_told_with_its_place() {
    for (source, at, why) in [
        (
            "a {{ custom.any.list | upper }}",
            "custom.any.list | upper",
            "upper takes a text, not a list",
        ),
        (
            "{{ email.subject }}{{ \"x\" | int }}",
            "\"x\" | int",
            "\"x\" is no whole number",
        ),
        (
            "{{ \"x\" | regex_find(pattern=custom.note ~ \"(\") }}",
            "\"x\" | regex_find(pattern=custom.note ~ \"(\")",
            "the pattern \"(\" is no regular expression: unclosed group",
        ),
        ("{{ 0 ** -1 }}", "0 ** -1", "** has no result for these numbers"),
        (
            "{% if custom.any.list > 3 %}{% endif %}",
            "if custom.any.list > 3",
            "> can not compare a list with a number",
        ),
        (
            "{{ custom.any.list + 1 }}",
            "custom.any.list + 1",
            "+ takes numbers, not a list",
        ),
        (
            "{{ custom.any.nothing + 1 }}",
            "custom.any.nothing + 1",
            "+ takes numbers, not nothing",
        ),
        ("{{ 1 / 0 }}", "1 / 0", "/ can not divide by 0"),
        (
            "{% for x in custom.any.list[2] %}{% endfor %}",
            "for x in custom.any.list[2]",
            "a loop walks a list or a map, not a text",
        ),
        (
            "{% for k, v in custom.any.list %}{% endfor %}",
            "for k, v in custom.any.list",
            "a loop over keys and values takes a map, not a list",
        ),
        (
            "{{ \"soon\" | format_date }}",
            "\"soon\" | format_date",
            "\"soon\" is no date as RFC 3339 writes it",
        ),
        (
            "{{ email.date | format_date(timezone=custom.note ~ \"Mars\") }}",
            "email.date | format_date(timezone=custom.note ~ \"Mars\")",
            "the time zone \"Mars\" is not known",
        ),
        (
            "{{ \"a\" | lines(select=\"x\" ~ 1) }}",
            "\"a\" | lines(select=\"x\" ~ 1)",
            "\"x1\" selects no lines; write numbers from 1 as in \"1,3-4\"",
        ),
    ] {
        check_failure(source, at, why);
    }
}

#[test]
fn a_text_without_expressions_is_literal() {
    let literal = |source: &str| {
        Template::compile(source, &names())
            .unwrap()
            .literal()
            .map(str::to_owned)
    };
    assert_eq!(literal("Support { } %}").as_deref(), Some("Support { } %}"));
    assert_eq!(literal("{{ email.subject }}"), None);
    assert_eq!(literal("{# none #}"), None);
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Template>();
    shared::<Condition>();
    shared::<ValueExpression>();
    shared::<Scope>();
    let template = Template::compile("{% for t in email.to %}{{ t.local }}{% endfor %}", &names()).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..50).for_each(|_| assert_eq!(template.render(&scope()).unwrap(), "helpdesk")));
        }
    });
}

#[test]
fn many_programs_stand_beside_each_other() {
    let templates: Vec<Template> = (0..150)
        .map(|number| Template::compile(&format!("{{{{ email.from.local }}}} {number}"), &names()).unwrap())
        .collect();
    for (number, template) in templates.iter().enumerate() {
        assert_eq!(template.render(&scope()).unwrap(), format!("ann.lee {number}"));
    }
}
