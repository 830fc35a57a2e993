use std::path::Path;

use super::{diagnose::parse, reference, resolve::resolve, *};
use crate::cli::{Cli, Verb};
use clap::Parser as _;

fn global(arguments: &[&str]) -> Global {
    let all = ["bartizan"]
        .iter()
        .chain(arguments)
        .chain(&["--state", "/nowhere", "status"])
        .copied();
    let cli = Cli::try_parse_from(all).unwrap();
    assert!(matches!(cli.verb, Verb::Status));
    cli.global
}

fn loaded(text: &str) -> Result<Loaded, Failure> {
    let file = parse("test.toml", text)?;
    Ok(Loaded {
        file,
        path: Some("/etc/bartizan/test.toml".into()),
        text: text.to_owned(),
    })
}

/// The whole answer to a file, as a person reads it.
fn judged(text: &str) -> String {
    match loaded(text).and_then(|loaded| resolve(&loaded, &global(&[]))) {
        Ok(_) => "good".to_owned(),
        Err(failure) => {
            assert_eq!(failure.exit(), Exit::Config);
            failure.in_words()
        }
    }
}

#[test]
fn the_example_is_a_good_file_and_the_empty_one_too() {
    assert_eq!(judged(reference::EXAMPLE), "good");
    assert_eq!(judged(""), "good");
}

#[test]
fn unknown_names_are_errors_with_a_suggestion() {
    for (text, unknown, meant) in [
        ("[lissten]\n", "unknown key `lissten`", "did you mean `listen`?"),
        (
            "[listen]\nadress = \"127.0.0.1:1\"\n",
            "unknown key `adress`",
            "did you mean `address`?",
        ),
        (
            "[policy]\npack = \"balansed\"\n",
            "unknown value `balansed`",
            "did you mean `balanced`?",
        ),
        (
            "[limits]\nbody_byte = 1\n",
            "unknown key `body_byte`",
            "did you mean `body_bytes`?",
        ),
    ] {
        diagnose::install(false);
        let failure = loaded(text).unwrap_err();
        assert!(failure.in_words().contains(unknown), "{}", failure.in_words());
        assert!(failure.drawn().contains(meant), "{}", failure.drawn());
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let upstream = "[[upstream]]\nname = \"a\"\napi = \"openai\"\nurl = \"https://a.example\"\n";
    for (text, said) in [
        (
            "[listen]\naddress = \"0.0.0.0:1\"\n".to_owned(),
            "is not loopback, so it needs TLS",
        ),
        (format!("{upstream}{upstream}"), "two upstreams are called `a`"),
        (
            format!("{upstream}secret = \"x\"\ncredential = \"none\"\n"),
            "contradict each other",
        ),
        (
            "[[upstream]]\nname = \"a\"\napi = \"openai\"\nurl = \"ftp://a\"\n".to_owned(),
            "is no http or https address",
        ),
        (
            "[[upstream]]\nname = \"a\"\napi = \"openai\"\nurl = \"https://u:p@a\"\n".to_owned(),
            "is no http or https address",
        ),
        (format!("{upstream}credential = \"aws\"\n"), "nothing to be signed for"),
        (
            format!("{upstream}aws = {{ region = \"eu-west-1\", service = \"bedrock\" }}\n"),
            "`aws` of `a` needs `credential = \"aws\"`",
        ),
        (
            format!("{upstream}credential = \"google\"\n"),
            "needs one of `audience`, `scopes` and `id_audience`",
        ),
        (
            format!("{upstream}credential = \"google\"\ngoogle = {{ audience = \"b\", scopes = [\"c\"] }}\n"),
            "needs one of `audience`, `scopes` and `id_audience`",
        ),
        (
            format!(
                "{upstream}credential = \"google\"\n\
                 google = {{ scopes = [\"c\"], token_endpoint = \"http://sso.example/token\" }}\n"
            ),
            "is an `https` address or one of this machine's",
        ),
        (
            "[[server]]\nname = \"s\"\nurl = \"http://s.example\"\ncredential = \"google\"\ngoogle = { audience = \"b\" }\n"
                .to_owned(),
            "`http://s.example` is no `https` address",
        ),
        (
            "[[server]]\nname = \"s\"\ncommand = [\"x\"]\ncredential = \"aws\"\n".to_owned(),
            "can't be signed for",
        ),
        (
            "[[server]]\nname = \"s\"\nurl = \"https://s\"\nsecret = \"k\"\n".to_owned(),
            "needs a `credential`",
        ),
        (
            format!("{upstream}[[model]]\nname = \"m\"\n"),
            "needs either `upstream`",
        ),
        (
            format!("{upstream}[[model]]\nname = \"m\"\nupstream = \"b\"\n"),
            "there is no upstream `b`",
        ),
        (
            "[[server]]\nname = \"s\"\n".to_owned(),
            "needs either `command` or `url`",
        ),
        (
            "[[server]]\nname = \"s\"\ncommand = [\"x\"]\nurl = \"https://s\"\n".to_owned(),
            "needs either `command` or `url`",
        ),
        (
            "[[server]]\nname = \"a__b\"\ncommand = [\"x\"]\n".to_owned(),
            "which separate servers from their tools",
        ),
        (
            "[[jwt]]\nissuer = \"i\"\naudience = []\njwks = \"k.json\"\n".to_owned(),
            "audience",
        ),
        (
            "[[jwt]]\nissuer = \"i\"\naudience = [\"a\"]\njwks = \"http://i/k\"\n".to_owned(),
            "is no https address",
        ),
        (
            "[[jwt]]\nissuer = \"i\"\naudience = [\"a\"]\njwks = \"k.json\"\nroots = \"r.pem\"\n".to_owned(),
            "`jwks` is a file",
        ),
        (
            "[[jwt]]\nissuer = \"i\"\naudience = [\"a\"]\njwks = \"k\"\nalgorithms = [\"HS256\"]\n"
                .to_owned(),
            "algorithm",
        ),
        (
            "[identity]\nworkload_api = \"tcp://127.0.0.1:8081\"\n".to_owned(),
            "is no unix socket with its whole path",
        ),
        (
            "[[spiffe]]\ntrust_domain = \"a.example\"\n".to_owned(),
            "there is no Workload API to ask",
        ),
        (
            "[[server]]\nname = \"s\"\nurl = \"http://s\"\nspiffe_id = \"spiffe://bartizan.internal/s\"\n".to_owned(),
            "goes with an `https` address",
        ),
        (
            "[[server]]\nname = \"s\"\nurl = \"https://s\"\nspiffe_id = \"spiffe://a.example/s\"\n".to_owned(),
            "nothing vouches for `a.example`",
        ),
        (
            "[[server]]\nname = \"s\"\nurl = \"https://s\"\nspiffe_id = \"spiffe://a.example\"\n".to_owned(),
            "a SPIFFE id is",
        ),
        (
            "[[peer]]\nname = \"p\"\nurl = \"https://p\"\nroots = \"r.pem\"\nspiffe_id = \"spiffe://bartizan.internal/p\"\n"
                .to_owned(),
            "and without `roots`",
        ),
        (
            "[[spiffe]]\ntrust_domain = \"a.example\"\nbundle = \"b\"\njwt_keys = \"k.json\"\n".to_owned(),
            "an issuer needs 1 to 32 audiences",
        ),
        (
            "[[spiffe]]\ntrust_domain = \"a.example\"\nbundle = \"b\"\njwt_audience = [\"a\"]\n".to_owned(),
            "goes with `jwt_keys`",
        ),
        (
            "[[spiffe]]\ntrust_domain = \"a.example\"\nbundle = \"b\"\njwt_keys = \"http://a/k\"\njwt_audience = [\"a\"]\n"
                .to_owned(),
            "https",
        ),
        (
            "[[server]]\nname = \"s\"\nurl = \"https://s\"\ncredential = \"google\"\n\
             google = { audience = \"https://a/\", id_audience = \"https://b\" }\n"
                .to_owned(),
            "needs one of `audience`, `scopes` and `id_audience`",
        ),
        (
            "[listen.tls]\nissued_by = \"workload_api\"\n".to_owned(),
            "there is no Workload API that could issue it",
        ),
        (
            "[identity]\nworkload_api = \"unix:///s\"\n[listen.tls]\nissued_by = \"workload_api\"\ncertificates = \"c\"\nkey = \"k\"\n"
                .to_owned(),
            "`issued_by` goes without",
        ),
        (
            "[egress]\ndanger_opaque = [\"a.example\"]\ndanger_intercept = [\"a.example\"]\n".to_owned(),
            "can't be opened and be opaque",
        ),
        (
            "[identity]\nworkload_api_uid = 1\n".to_owned(),
            "`workload_api_uid` goes with",
        ),
        ("[limits]\nbody_bytes = 0\n".to_owned(), "`body_bytes` is 0"),
        (
            "[limits]\nread_timeout_ms = 0\n".to_owned(),
            "`read_timeout_ms` is 0",
        ),
        (
            "[runtime]\nworker_threads = 0\n".to_owned(),
            "`worker_threads` must be",
        ),
    ] {
        let words = judged(&text);
        assert!(words.contains(said), "{text}\n{words}");
    }
}

#[test]
fn a_loosening_key_loosens_and_is_named_so() {
    let text = "[listen]\naddress = \"0.0.0.0:1\"\ndanger_listen_without_tls_off_loopback = true\n";
    assert_eq!(judged(text), "good");
    let schema = reference::schema().to_string();
    assert_eq!(
        schema.matches("danger_").count(),
        schema
            .matches("\"danger_listen_without_tls_off_loopback\"")
            .count()
            + schema.matches("\"danger_unconfined\"").count()
            + schema.matches("\"danger_ask_in_client\"").count()
            + schema.matches("\"danger_opaque\"").count()
            + schema.matches("\"danger_encrypted_hello\"").count()
            + schema.matches("\"danger_intercept\"").count()
            + schema.matches("\"danger_pass\"").count()
    );
}

#[test]
fn secrets_are_named_never_written() {
    use bartizan_gateway::config::{EnvValue, Reach};
    let text = "[[server]]\nname = \"s\"\ncommand = [\"x\"]\nenv = { A = \"secret:tok\", B = \"secret::tok\", C = \"tok\" }\n";
    let settings = resolve(&loaded(text).unwrap(), &global(&[])).unwrap();
    let Reach::Stdio { environment, .. } = &settings.gateway.servers[0].reach else {
        panic!("a command")
    };
    assert_eq!(environment["A"], EnvValue::Secret("tok".to_owned()));
    assert_eq!(environment["B"], EnvValue::Plain("secret:tok".to_owned()));
    assert_eq!(environment["C"], EnvValue::Plain("tok".to_owned()));
}

#[test]
fn what_signs_is_told_by_its_key() {
    use bartizan_gateway::config::{Credential, Google, Scheme, Signed};
    let text = r#"
        [[upstream]]
        name = "vertex"
        api = "openai"
        url = "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/endpoints/openapi"
        v1_paths = false
        credential = "google"
        google = { scopes = ["https://www.googleapis.com/auth/cloud-platform"] }
        [[server]]
        name = "tools"
        url = "https://tools.example/mcp"
        credential = "aws"
        secret = "lent"
        aws = { region = "eu-west-1", service = "bedrock-agentcore" }
    "#;
    let settings = resolve(&loaded(text).unwrap(), &global(&[])).unwrap().gateway;
    assert!(!settings.upstreams[0].v1_paths);
    assert_eq!(
        settings.upstreams[0].credential,
        Credential::Signed(Signed {
            key: "vertex".to_owned(),
            by: Scheme::Google(Google::Exchanged {
                scopes: vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()],
                token_endpoint: None,
            }),
        })
    );
    let signed = settings.servers[0].sign.as_ref().unwrap();
    assert_eq!(signed.key, "lent");
    assert!(matches!(&signed.by, Scheme::Aws(scope) if scope.service == "bedrock-agentcore"));
}

#[test]
fn who_we_are_may_come_from_a_workload_api() {
    use bartizan_gateway::config::{BundleAt, TlsKey};
    let text = "[identity]\nworkload_api = \"unix:///run/api.sock\"\n[listen.tls]\nissued_by = \"workload_api\"\n\
                [[spiffe]]\ntrust_domain = \"a.example\"\n";
    let settings = resolve(&loaded(text).unwrap(), &global(&[])).unwrap();
    assert_eq!(
        settings.gateway.workload_api.unwrap().socket,
        Path::new("/run/api.sock")
    );
    assert_eq!(settings.gateway.listen.tls.unwrap().key, TlsKey::WorkloadApi);
    assert_eq!(settings.domains.foreign[0].bundle, BundleAt::WorkloadApi);
}

#[test]
fn workloads_are_known_by_their_ids_and_by_svids_of_either_kind() {
    let text = r#"
        [[spiffe]]
        trust_domain = "a.example"
        namespace = "a"
        bundle = "a.pem"
        jwt_keys = "https://a.example/bundle"
        jwt_audience = ["bartizan"]
        [[server]]
        name = "tools"
        url = "https://tools.example/mcp"
        spiffe_id = "spiffe://a.example/ns/tools"
        [[upstream]]
        name = "models"
        api = "openai"
        url = "https://models.example"
        credential = "google"
        google = { id_audience = "https://models.example" }
        spiffe_id = "spiffe://bartizan.internal/agent/models"
    "#;
    let settings = resolve(&loaded(text).unwrap(), &global(&[])).unwrap();
    let config = &settings.issuers[0].config;
    assert_eq!(config.issuer.as_str(), "spiffe://a.example");
    assert_eq!(config.namespace.as_deref(), Some("a"));
    assert!(config.svids_of.is_some());
    let gateway = settings.gateway;
    assert!(gateway.calls_workloads());
    let id = gateway.servers[0].spiffe_id.as_ref().unwrap();
    assert_eq!(id.to_string(), "spiffe://a.example/ns/tools");
    assert!(gateway.upstreams[0].spiffe_id.is_some());
}

#[test]
fn paths_are_relative_to_the_file() {
    let text =
        "[policy]\nfiles = [\"p/*.cedar\"]\n[listen.tls]\ncertificates = \"c.pem\"\nkey = \"/k.pem\"\n";
    let settings = resolve(&loaded(text).unwrap(), &global(&[])).unwrap();
    assert_eq!(settings.policy_files, [Path::new("/etc/bartizan/p/*.cedar")]);
    let tls = settings.gateway.listen.tls.unwrap();
    let bartizan_gateway::config::TlsKey::Files { certificates, key } = &tls.key else {
        panic!("{tls:?}")
    };
    assert_eq!(
        (certificates.as_path(), key.as_path()),
        (Path::new("/etc/bartizan/c.pem"), Path::new("/k.pem"))
    );
}

/// A generated document equals what is committed; `BARTIZAN_BLESS=1` writes it.
fn generated(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("BARTIZAN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is out of date: BARTIZAN_BLESS=1 cargo test -p bartizan",
        path.display()
    );
}

#[test]
fn the_references_are_up_to_date() {
    generated("docs/reference/config.md", &reference::markdown());
    generated("docs/reference/cli.md", &crate::verb::reference());
    generated("docs/reference/config.example.toml", reference::EXAMPLE);
    let schema = serde_json::to_string_pretty(&reference::schema()).unwrap();
    generated("docs/reference/config.schema.json", &format!("{schema}\n"));
}

/// What stands in somebody's environment is shown by no help, and so in no reference made from it.
#[test]
fn help_names_variables_and_never_their_values() {
    fn arguments(command: &clap::Command, seen: &mut usize) {
        for argument in command.get_arguments().filter(|a| a.get_env().is_some()) {
            assert!(argument.is_hide_env_values_set(), "{}", argument.get_id());
            *seen += 1;
        }
        command.get_subcommands().for_each(|inner| arguments(inner, seen));
    }
    let mut seen = 0;
    arguments(&<crate::cli::Cli as clap::CommandFactory>::command(), &mut seen);
    assert!(seen >= 3);
}

#[test]
fn one_time_codes_are_told_by_domain() {
    let text = r#"
        [[server]]
        name = "bank"
        url = "https://bank.example/mcp"
        [server.tools.transfer]
        codes_from = ["bank.example"]
        [server.tools.confirm]
        codes = ["code"]
        [server.tools.read_mail]
        results = { "*.from" = "sender" }
    "#;
    let settings = resolve(&loaded(text).unwrap(), &global(&[])).unwrap().gateway;
    let tools = &settings.servers[0].tools;
    let tool = |name: &str| tools.iter().find(|(known, _)| known.as_str() == name).unwrap().1;
    assert_eq!(*tool("transfer").codes_from, ["bank.example".into()]);
    assert_eq!(tool("confirm").codes[0].as_str(), "code");
    assert_eq!(tool("read_mail").results[0].1, bartizan_flow::Class::Sender);
    for wrong in ["https://bank.example/", "bank", "no-reply@bank.example"] {
        let text = text.replace("\"bank.example\"", &format!("{wrong:?}"));
        let told = format!(
            "{:?}",
            resolve(&loaded(&text).unwrap(), &global(&[])).err().unwrap()
        );
        assert!(told.contains("is no domain"), "{wrong}: {told}");
    }
}

#[test]
fn what_is_right_in_a_file_that_is_wrong_still_says_where_the_state_is() {
    let check = |text: &str, dir: Option<&str>, origin: Option<&str>| {
        assert!(parse("test.toml", text).is_err(), "{text}");
        let file = salvaged(text);
        assert_eq!(file.state.dir.as_deref(), dir.map(Path::new), "{text}");
        assert_eq!(file.ledger.origin.as_deref(), origin, "{text}");
    };
    // A word that is unknown, of any table, or of the root.
    check(
        "[state]\ndir = \"s\"\n[[budget]]\nname = \"x\"\nmeter = \"call\"\nlimit = 1\n",
        Some("s"),
        None,
    );
    check(
        "nonsense = 1\n[ledger]\norigin = \"o\"\n[state]\ndir = \"s\"\n",
        Some("s"),
        Some("o"),
    );
    check("[state]\ndir = 5\n[ledger]\norigin = \"o\"\n", None, Some("o"));
    // No TOML at all, before and after.
    check(
        "[listen\naddress = \n[state] # here\ndir = \"s\"\n[policy]\npack = \"obs\n",
        Some("s"),
        None,
    );
    check("[state]\ndir = \"s\n[ledger]\norigin = \"o\"\n", None, Some("o"));
}
