//! Which domains belong to providers of mail for everybody: a sender's company can not be told by them.

/// In alphabetical order, for the search.
#[rustfmt::skip]
const DOMAINS: &[&str] = &[
    "126.com", "163.com", "aim.com", "alice.it", "aliceadsl.fr", "aliyun.com", "aol.com", "aol.de", "arcor.de", "att.net",
    "bell.net", "bellsouth.net", "bigpond.com", "bluewin.ch", "bol.com.br", "btinternet.com", "btopenworld.com", "caramail.com",
    "centurylink.net", "charter.net", "comcast.net", "cox.net", "daum.net", "duck.com", "earthlink.net", "email.com", "email.cz",
    "email.de", "fastmail.com", "fastmail.fm", "foxmail.com", "free.fr", "freemail.hu", "freenet.de", "frontier.com",
    "frontiernet.net", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "gmx.org", "googlemail.com", "hanmail.net",
    "hey.com", "home.nl", "hotmail.be", "hotmail.ca", "hotmail.ch", "hotmail.co.uk", "hotmail.com", "hotmail.com.au",
    "hotmail.com.br", "hotmail.de", "hotmail.es", "hotmail.fr", "hotmail.it", "hotmail.nl", "hotmail.se", "hushmail.com",
    "icloud.com", "ig.com.br", "inbox.com", "inbox.lv", "inbox.ru", "interia.pl", "juno.com", "kpnmail.nl", "laposte.net",
    "libero.it", "list.ru", "live.at", "live.be", "live.ca", "live.cn", "live.co.uk", "live.com", "live.com.au", "live.de",
    "live.dk", "live.fr", "live.ie", "live.it", "live.nl", "live.no", "live.se", "lycos.com", "mac.com", "mail.com", "mail.de",
    "mail.ru", "mailbox.org", "me.com", "msn.com", "mweb.co.za", "naver.com", "netscape.net", "neuf.fr", "ntlworld.com", "o2.co.uk",
    "o2.pl", "o2online.de", "onet.pl", "online.de", "optonline.net", "optusnet.com.au", "orange.fr", "outlook.at", "outlook.be",
    "outlook.co.uk", "outlook.com", "outlook.com.au", "outlook.com.br", "outlook.de", "outlook.dk", "outlook.es", "outlook.fr",
    "outlook.ie", "outlook.it", "pm.me", "posteo.de", "proton.me", "protonmail.ch", "protonmail.com", "qq.com", "rambler.ru",
    "rediffmail.com", "roadrunner.com", "rocketmail.com", "rogers.com", "sapo.pt", "sbcglobal.net", "seznam.cz", "sfr.fr",
    "shaw.ca", "sina.com", "sky.com", "skynet.be", "sohu.com", "suddenlink.net", "sympatico.ca", "t-online.de", "talktalk.net",
    "telenet.be", "telia.com", "telus.net", "terra.com.br", "tin.it", "tiscali.co.uk", "tiscali.it", "tuta.com", "tuta.io",
    "tutamail.com", "tutanota.com", "tutanota.de", "ukr.net", "uol.com.br", "verizon.net", "videotron.ca", "virgilio.it",
    "virgin.net", "virginmedia.com", "vodafone.de", "voila.fr", "wanadoo.fr", "web.de", "windowslive.com", "windstream.net",
    "wp.pl", "xs4all.nl", "xtra.co.nz", "ya.ru", "yahoo.ca", "yahoo.co.in", "yahoo.co.jp", "yahoo.co.nz", "yahoo.co.uk",
    "yahoo.com", "yahoo.com.ar", "yahoo.com.au", "yahoo.com.br", "yahoo.com.mx", "yahoo.de", "yahoo.es", "yahoo.fr", "yahoo.ie",
    "yahoo.in", "yahoo.it", "yahoo.se", "yandex.com", "yandex.ru", "yeah.net", "ymail.com", "zoho.com", "zohomail.com",
];

/// Whether a domain belongs to a provider of free mail, by the built-in table.
pub fn is_freemail_domain(domain: &str) -> bool {
    let domain = domain.trim_end_matches('.').to_lowercase();
    DOMAINS.binary_search(&domain.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(
            DOMAINS.windows(2).all(|pair| pair[0] < pair[1]),
            "{:?}",
            DOMAINS.windows(2).find(|pair| pair[0] >= pair[1])
        );
    }

    #[test]
    fn a_domain_is_found_whatever_its_case() {
        for (domain, expected) in [
            ("gmail.com", true),
            ("GMX.de.", true),
            ("example.org", false),
            ("notgmail.com", false),
        ] {
            assert_eq!(is_freemail_domain(domain), expected, "{domain}");
        }
    }
}
