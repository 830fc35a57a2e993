//! What a fetch may reach, and for whom and where a kept grant is good.

use bartizan_identity::oauth::{Client, Method};
use bartizan_types::{Secret, Timestamp};

use super::*;

fn place(address: &str, hosts: &[&str]) -> Place {
    Place {
        name: ServerName::new("far").unwrap(),
        address: Address::parse(address).unwrap(),
        oauth: Oauth {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            ..Oauth::default()
        },
    }
}

#[test]
fn what_a_server_names_leads_to_the_internet_to_itself_or_to_what_is_listed() {
    let check = |place: &Place, address: &str, expected: Option<Reach>| {
        let reach = place.reach(&Address::parse(address).unwrap());
        assert_eq!(reach.ok(), expected, "{address}");
    };
    let public = place("https://mcp.example/mcp", &["sso.corp.example"]);
    check(&public, "https://as.example/token", Some(Reach::Public));
    check(&public, "https://mcp.example/token", Some(Reach::Named));
    check(&public, "https://SSO.corp.example/token", Some(Reach::Named));
    for clear in [
        "http://as.example/token",
        "http://mcp.example/token",
        "http://sso.corp.example/token",
        "http://169.254.169.254/latest",
        "http://127.0.0.1:9/x",
        "http://localhost/x",
    ] {
        check(&public, clear, None);
    }
    let local = place("http://localhost:8080/mcp", &[]);
    check(&local, "http://localhost:9090/token", Some(Reach::Named));
    check(&local, "http://127.0.0.1:9090/token", None);
    check(&local, "http://as.example/token", None);
    check(&local, "https://as.example/token", Some(Reach::Public));
}

fn holder(user: &str) -> Holder {
    Holder::User(Issuer::new("idp").unwrap(), UserId::new(user).unwrap())
}

#[test]
fn a_grant_is_good_for_its_holder_at_its_address_alone() {
    let (here, ada) = (place("https://mcp.example/mcp", &[]), holder("ada"));
    let token = Address::parse("https://as.example/token").unwrap();
    let grant = Grant {
        issuer: "https://as.example".to_owned(),
        token_endpoint: token,
        revocation_endpoint: None,
        resource: "https://mcp.example/mcp".to_owned(),
        client: Client {
            id: "c".to_owned(),
            secret: Some(Secret::new("planted-client-secret".to_owned())),
            method: Method::Basic,
        },
        access: Secret::new("planted-access".to_owned()),
        refresh: Some(Secret::new("planted-refresh".to_owned())),
        expires: Some(Timestamp::from_unix_seconds(2000)),
        scopes: vec!["a".to_owned()],
        since: Timestamp::from_unix_seconds(1000),
    };
    let bytes = grant.write(&here, &ada);
    let back = Grant::read(&bytes, &here, &ada).unwrap();
    assert_eq!(back.access.expose(), "planted-access");
    assert_eq!(back.client.secret.unwrap().expose(), "planted-client-secret");
    assert_eq!(
        (back.expires, back.scopes.as_slice()),
        (grant.expires, grant.scopes.as_slice())
    );
    // A token meant for another upstream, or for somebody else.
    assert!(Grant::read(&bytes, &place("https://mcp.example/other", &[]), &ada).is_none());
    assert!(Grant::read(&bytes, &place("https://evil.example/mcp", &[]), &ada).is_none());
    assert!(Grant::read(&bytes, &here, &holder("bob")).is_none());
    assert!(Grant::read(&bytes, &here, &Holder::Gateway).is_none());
    let mut renamed = place("https://mcp.example/mcp", &[]);
    renamed.name = ServerName::new("near").unwrap();
    assert!(Grant::read(&bytes, &renamed, &ada).is_none());
    // What is shown of it.
    let shown = grant::shown(&bytes).unwrap().to_string();
    assert!(
        shown.contains("mcp.example") && !shown.contains("planted"),
        "{shown}"
    );
}

#[test]
fn one_users_agents_share_her_grant_and_nobody_elses_is_theirs() {
    let server = ServerName::new("far").unwrap();
    let key = |holder: &Holder| holder.key(&server);
    let agent = |name: &str| Holder::Agent(Issuer::new("idp").unwrap(), AgentId::new(name).unwrap());
    let other = Holder::User(Issuer::new("other").unwrap(), UserId::new("ada").unwrap());
    let all = [
        holder("ada"),
        holder("bob"),
        agent("ada"),
        agent("bob"),
        other,
        Holder::Gateway,
    ];
    let mut keys: Vec<String> = all.iter().map(key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all.len());
}
