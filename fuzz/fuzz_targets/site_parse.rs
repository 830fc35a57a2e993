//! There is one spelling of each site, and an address that a provider would fetch names its host so that the same host
//! is read from it again.
#![no_main]

use bartizan_wire::{
    model::{Fetch, Reach},
    site::{Site, SitePattern},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(site) = Site::parse(text, Some(443)) {
        assert_eq!(Site::parse(&site.to_string(), None).as_ref(), Some(&site));
        if let Some(pattern) = SitePattern::parse(site.host()) {
            assert!(pattern.fits(&site) || ![443, 80].contains(&site.port()));
        }
    }
    let _ = SitePattern::parse(text);
    if let Some(fetch) = Fetch::of(text)
        && fetch.reach != Reach::Unknown
    {
        let port = fetch.port.map_or(String::new(), |port| format!(":{port}"));
        let again = Fetch::of(&format!("{}://{}{port}/", fetch.scheme, fetch.host));
        assert_eq!(again.as_ref(), Some(&fetch));
    }
});
