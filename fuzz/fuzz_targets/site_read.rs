//! One spelling of each site and of each path: what was read is read the same again, and a path that was read does not
//! climb by any reading. The first byte picks what it is.
#![no_main]

use bartizan_wire::site::{Site, SitePattern, path, revocable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    if kind % 2 == 0 {
        if let Some(site) = Site::parse(&text, Some(443)) {
            let spelled = site.to_string();
            assert_eq!(Site::parse(&spelled, None).as_ref(), Some(&site));
            assert_eq!(revocable(&spelled), Some(spelled.clone()));
            let own = SitePattern::parse(&spelled).expect("a site is a pattern of itself");
            assert!(own.fits(&site));
        }
        let _ = SitePattern::parse(&text);
        return;
    }
    if let Some(once) = path(&text) {
        assert_eq!(path(&once).as_deref(), Some(&*once));
        assert!(!once.contains("//"));
        let climbs = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
        assert!(!once.split(['/', '\\']).any(climbs));
    }
});
