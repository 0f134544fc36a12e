//! The declarations of a `style` attribute that may be kept.

/// Properties of text, boxes and tables; none that takes an element out of its place.
const PROPERTIES: &[&str] = &[
    "background",
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "display",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-width",
    "min-width",
    "overflow-wrap",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-indent",
    "text-transform",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
    "word-spacing",
    "word-wrap",
];
/// Functions that only give a colour.
const FUNCTIONS: &[&str] = &["rgb", "rgba", "hsl", "hsla"];
/// A longer style is a document of its own.
const MAX_LENGTH: usize = 4 * 1024;

/// The declarations that are known and say nothing but values.
pub fn safe(style: &str) -> String {
    let style = &style[..style.floor_char_boundary(MAX_LENGTH)];
    // Quotes are written as entities; what other entities hide is not looked at, and dropped.
    let style = style
        .replace("&quot;", "'")
        .replace("&#39;", "'")
        .replace("&apos;", "'")
        .replace('"', "'");
    let mut safe = String::new();
    for (property, value) in style.split(';').filter_map(|declaration| declaration.split_once(':')) {
        let (property, value) = (property.trim().to_ascii_lowercase(), value.trim());
        if PROPERTIES.contains(&property.as_str()) && is_safe(&property, value) {
            safe.push_str(if safe.is_empty() { "" } else { "; " });
            safe.push_str(&format!("{property}: {value}"));
        }
    }
    safe
}

fn is_safe(property: &str, value: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || " #%.,-+'()!/_".contains(c);
    let is_colour = |(at, _): (usize, &str)| {
        let name = value[..at]
            .rsplit(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or("");
        FUNCTIONS.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    // A negative distance lays a text over what stands beside it.
    let stays = !matches!(property.split('-').next(), Some("margin" | "text")) || !value.contains('-');
    !value.is_empty()
        && stays
        && value.chars().all(is_plain)
        && value.match_indices('(').all(is_colour)
        && value.matches('\'').count().is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_properties_with_plain_values_are_kept() {
        for (style, expected) in [
            ("COLOR:red;margin:0 0 0 40px", "color: red; margin: 0 0 0 40px"),
            (
                "font-family:&quot;Segoe UI&quot;, sans-serif",
                "font-family: 'Segoe UI', sans-serif",
            ),
            (
                "background:rgb(1, 2, 3) !important",
                "background: rgb(1, 2, 3) !important",
            ),
            ("mso-style: x; color: #fff;", "color: #fff"),
        ] {
            assert_eq!(safe(style), expected);
        }
    }

    #[test]
    fn what_loads_covers_or_hides_its_meaning_is_dropped() {
        for style in [
            "background:url(https://example.org/x)",
            "background:u\\72l(x)",
            "background:&#117;rl(x)",
            "color:expression(alert(1))",
            "width: calc(1px)",
            "position:fixed",
            "z-index:9",
            "margin-top:-100px",
            "text-indent:-999px",
            "color:red}body{x:y",
            "font-family:'",
            "color:",
            "behavior:x",
            "@import 'x'",
        ] {
            assert_eq!(safe(style), "", "{style}");
        }
    }
}
