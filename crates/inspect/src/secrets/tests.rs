use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

fn ids(text: &str) -> Vec<&'static str> {
    find(text).into_iter().map(|secret| secret.format.id).collect()
}

/// A text that a format should be found in, made from its own pattern.
fn sample(format: &Format, runner: &mut TestRunner) -> String {
    let pattern = format
        .pattern
        .replace("(?i:", "(?:")
        .replace("(?s:", "(?:")
        .replace("(?P<s>", "(")
        .replace("}?", "}")
        .replace(r"\s", " ")
        .replace('.', "[.]")
        .replace(r"\[.]", "[.]")
        .replace("[A-Za-z0-9+/_[.]-]", "[A-Za-z0-9]");
    let strategy = proptest::string::string_regex(&pattern).expect(format.id);
    strategy.new_tree(runner).expect(format.id).current()
}

#[test]
fn every_format_is_found_in_what_its_pattern_makes() {
    let mut runner = TestRunner::deterministic();
    for format in FORMATS {
        if !matches!(
            format.check,
            Check::None | Check::Crc62 | Check::CrcHex | Check::GrafanaCrc
        ) || format.pattern.contains('.')
        {
            continue;
        }
        let mut hits = 0;
        for _ in 0..20 {
            let value = sample(format, &mut runner);
            let text = match format.rule {
                Rule::Named => format!("x\n{}_x: \"{value}\"\n", format.words[0]),
                _ => format!("key = \"{value}\"\n"),
            };
            hits += usize::from(!find(&text).is_empty());
        }
        assert!(hits >= 15, "{}: {hits} of 20", format.id);
    }
}

#[test]
fn keys_with_check_sums_are_sure_and_wrong_sums_are_not() {
    let body = "0123456789abcdefghijABCDEFGHIJ";
    let mut number = crc32fast::hash(body.as_bytes());
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut sum = [0; 6];
    for digit in sum.iter_mut().rev() {
        *digit = digits[(number % 62) as usize];
        number /= 62;
    }
    let token = format!("ghp_{body}{}", str::from_utf8(&sum).expect("ASCII"));
    let right = find(&token);
    assert_eq!(
        (right[0].format.id, right[0].score, right[0].range.clone()),
        ("github_token", 1000, 0..40)
    );
    let wrong = format!("ghp_{body}abcdef");
    assert_eq!(find(&wrong)[0].score, 600);
}

#[test]
fn the_gateways_own_keys_are_secrets() {
    let body = format!("bz_a1B2c3D4_{}abc", "Zq8kW1xYv7".repeat(4));
    let mut number = crc32fast::hash(body.as_bytes());
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut sum = [0; 6];
    for digit in sum.iter_mut().rev() {
        *digit = digits[(number % 62) as usize];
        number /= 62;
    }
    let key = format!("{body}_{}", str::from_utf8(&sum).expect("ASCII"));
    let right = find(&key);
    assert_eq!(
        (right[0].format.id, right[0].score, right[0].range.clone()),
        ("bartizan_key", 1000, 0..62)
    );
    assert_eq!(find(&format!("q={body}_aaaaaa"))[0].score, 600);
    assert_eq!(ids("bz_a1B2c3D4"), [""; 0]);
}

#[test]
fn generic_assignments_are_found_and_code_is_not() {
    assert_eq!(ids("DB_PASSWORD=hunter7!Zq9"), ["password"]);
    for text in [
        "DB_PASS=hunter7!Zq9",
        "export SMTP_PASS='hunter7!Zq9'",
        r#"{"user":"bob","pass":"hunter7!Zq9"}"#,
        "user: bob\npass: hunter7!Zq9\n",
    ] {
        assert_eq!(ids(text), ["short_password"], "{text}");
    }
    assert_eq!(
        ids("export CI_TOKEN=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
        ["environment_token"]
    );
    assert_eq!(
        ids(r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#),
        ["private_json_web_key"]
    );
    let azure = format!(
        "{}JQQJ99BC{}",
        "4kPq8sWzR1".repeat(5) + "tY",
        "ACYeBjFXJ3w3AAABACOGzq4b"
    );
    assert_eq!(ids(&format!("the key is {azure}.")), ["azure_ai_key"]);
    assert_eq!(ids("\"api_key\": \"f83jd92kd0sl2mfk39d\""), ["secret"]);
    assert_eq!(ids("postgres://app:s3cr3tPw9@db.example.org/x"), ["url_password"]);
    assert_eq!(
        ids("Authorization: Basic YWRtaW46aHVudGVyNyFacTk="),
        ["basic_authorization"]
    );
    for text in [
        "password = get_password()",
        "password: ********",
        "api_key = os.environ['API_KEY']",
        "secret = \"<your secret>\"",
        "token = request.headers.get(\"token\")",
        "password=changeme",
        "the password must be changed every year",
        "if (password == null)",
        "password: String",
        "AKIAIOSFODNN7EXAMPLE",
        "https://user@host/x",
        "secret santa: everybody brings a present",
        "const token = useToken();",
        "\"password\": \"password\"",
        "api_key: ${API_KEY}",
        "bypass: all-checks-of-2024",
        "tests that pass: some-name-of-a-test",
        "pass = compute_pass(3)",
        "DB_PASS=$DB_PASS",
        "csrf_token=request.token",
        "TOKEN=$(cat /run/secrets/token)",
        "\"d\": \"a path in an icon\"",
        "access_token: string",
    ] {
        assert_eq!(ids(text), [""; 0], "{text}");
    }
}

/// Ways of writing that were missed once.
#[test]
fn secrets_of_every_day_are_found() {
    let entra = "abc8Q~30mFSZanLDEY9.1c.NAfoxe.ObOAG0y6Bh";
    let devops = format!(
        "{}AZDO4xYz",
        "xGAY0pSj6513iYbSsFRYU443qgLpQq7PWbJ0U3YpzpV0fD2mHDjhoTVI0C87"
            .repeat(2)
            .split_at(76)
            .0
    );
    let terraform = format!(
        "SmWVbJpd1a1b0g.atlasv1.{}",
        "5z05iilni4JI-NQXG14NfhgK0l7rAbjC1mQTS".repeat(2).split_at(67).0
    );
    for (text, id) in [
        (format!("--set secret={entra}"), "azure_entra_secret"),
        (devops, "azure_devops_marked_token"),
        (format!("token = \"{terraform}\""), "terraform_cloud_token"),
        ("<password>pWWzeyJutkCz7t</password>".to_owned(), "xml_password"),
        ("Passwort: BehtPjR8fR1L".to_owned(), "password"),
        ("mot de passe : s6qxc0A2muiJ".to_owned(), "password"),
        ("Contraseña: hXeLB5Bkoggw".to_owned(), "password"),
        ("Пароль: BPGMng9Zb2EJ".to_owned(), "password"),
        ("密码:VMgWLPpCM0yH".to_owned(), "password"),
        ("mysql -uroot -pWehXmR58E4Js4R app".to_owned(), "mysql_password"),
        ("backup --password NINN9K89VK245h --all".to_owned(), "command_line_password"),
        ("curl -u admin:EplXoq0yuuuMDx https://x.corp/api".to_owned(), "curl_password"),
        ("machine x.corp login joe password EJVyQdABrGsLqO".to_owned(), "netrc_password"),
        ("//registry.npmjs.org/:_authToken=97d037f2-b183-4b9a-a80d-c6375b0b9f11".to_owned(), "npm_auth"),
        (r#"{"auths":{"r.io":{"auth":"dTpVY0p1NEdGSko0dWRIYg=="}}}"#.to_owned(), "docker_auth"),
        ("root:$6$vgVA8FWm$p4T7/qXn6x6yciE/rqB/1gxun1BqMI1mlckfOH2Nfimp4T7/qXn6x6yciE/rqB/1gxun1BqMI1mlckfOH2Nf:1:".to_owned(), "password_hash"),
        ("$2b$12$HVNDDqNE5NsuFUvd2n3lixzbVMtZHbgXyl2OOUUPvEJS90N8pQdfN".to_owned(), "password_hash"),
        ("WIFI:T:WPA;S:net;P:s4oASGQrh1Mi;;".to_owned(), "wifi_password"),
        ("seed phrase: legal winner thank year wave sausage worth useful legal winner thank yellow".to_owned(), "recovery_phrase"),
        ("wallet private key (WIF): L1ziT2QwmtWxUWm1SfanK9698iaH6ugofeW7atQWEqde4UKP8Ruf".to_owned(), "bitcoin_private_key"),
        (format!("META_TOKEN=EAAB{}", "w8Kq2ZzT5rX1".repeat(12)), "facebook_token"),
        ("token = \"MTA0NzE2MjU4ODM5NTY1Nzg5Ng.Gf4R99.kQ0zWc7rXyL2mVb8NsTfUe1oPaGhJdIqZxCvB3\"".to_owned(), "discord_bot_token"),
        ("Das Passwort lautet hG7#kd9!mQ2z".to_owned(), "password"),
        ("sshpass -p hG7kd9mQ2z ssh root@10.0.0.1".to_owned(), "sshpass_password"),
        (format!("Cookie: theme=dark; session={}", "9f86d081884c7d65".repeat(4)), "session_cookie"),
        ("postgres://app:Wq9@zR2mLx8@db:5432/p".to_owned(), "url_password"),
        ("PrivateKey = lnd2Uc7/Sf5Mrdqsk0B1QWO7UK8FZpwHNQ3EOyG+odw=".to_owned(), "wireguard_private_key"),
    ] {
        assert_eq!(ids(&text), [id], "{text}");
    }
}

/// Texts that look like them, and are none.
#[test]
fn what_only_speaks_of_secrets_is_none() {
    for text in [
        "monkeypatch.setenv(\"API_KEY\", \"test-key-123\")",
        "secret_id = \"arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf\"",
        "password_hash_algorithm: argon2id",
        "docker run -u 1000:1000 image",
        "docker run -u node:node image",
        "mysql --protocol=TCP --port=3306 -p app",
        "tool --password PASSWORD --token <TOKEN>",
        "login as root, password is asked for later",
        "use --token $GITHUB_TOKEN or --api-key=${KEY}",
        "<label for=\"password\">Password</label>",
        "<secret>required</secret>",
        "\"auth\": \"none\"",
        "mnemonic: my very educated mother just served us nine pizzas",
        "PublicKey = lnd2Uc7/Sf5Mrdqsk0B1QWO7UK8FZpwHNQ3EOyG+odw=",
        "das Passwort: bitte beim Empfang erfragen",
        "Passwort: mindestens zwölf Zeichen",
    ] {
        assert_eq!(ids(text), [""; 0], "{text}");
    }
}

/// Each beside what looks like it and is none.
#[test]
fn formats_that_were_missed_are_found_and_their_look_alikes_are_not() {
    let made = "f7Qm2Zk9Xw4Lr8Tb3Yd6Hs1Vn5Jc0Pg".repeat(5);
    let part = |length: usize| made.split_at(length).0.to_owned();
    for (text, id) in [
        (
            "docker login -u bob -p SyRXzqh4HlhOT5 r.corp".to_owned(),
            "login_password",
        ),
        (
            "az login --service-principal -u 9f3 -p \"w8Kq~2ZzT5rX1\" --tenant x".to_owned(),
            "login_password",
        ),
        (
            "APP_KEY=base64:E0rO/jTwsNLQkPjt0d48Oqnd1wykG5fdwKScI30/5Hw=".to_owned(),
            "laravel_app_key",
        ),
        (
            "db.corp:5432:app:svc:lGd4UFiFbkkf0rdT0x\n".to_owned(),
            "pgpass_password",
        ),
        ("*:*:*:postgres:lGd4UFiFbkkf".to_owned(), "pgpass_password"),
        (
            "network={\n ssid=\"Home\"\n psk=\"BnCGOiREwF6rKj\"\n}".to_owned(),
            "wifi_key",
        ),
        ("wpa-psk 8s6Jq2xLw0".to_owned(), "wifi_key"),
        (
            "ConvertTo-SecureString \"oPM84DpGTu0U95!\" -AsPlainText -Force".to_owned(),
            "powershell_password",
        ),
        (
            "ConvertTo-SecureString -AsPlainText -Force -String 'oPM84DpGTu0U95!'".to_owned(),
            "powershell_password",
        ),
        (
            format!("the search key {}AzSe{}", part(42), part(6)),
            "azure_search_key",
        ),
        (
            format!("AAAA{}:APA91b{}", part(7), part(134)),
            "firebase_server_key",
        ),
        (format!("aio_{}", part(28)), "adafruit_io_key"),
        (
            format!("key_{}", "743c2ea7b9b8699c15ea400c412baa04".repeat(2)),
            "cursor_key",
        ),
        (
            "it is sk-743c2ea7b9b8699c15ea400c412baa04 thanks".to_owned(),
            "model_key",
        ),
        (format!("sk-{}", part(48)), "model_key"),
        (
            format!("{}{}%2B{}%3D{}", "A".repeat(22), part(24), part(20), part(50)),
            "twitter_bearer_token",
        ),
        (
            "Kysm4VWV1PN9gHobSeURiWwfA8TbghzvfHdoyzYJqTv5eC5ZD12Z".to_owned(),
            "bitcoin_private_key",
        ),
        (
            "NjIwOTI3MjAwODI4MjUwMDQ5.Gg2lML.8XM5mSLFy5UBIHEYeD7p4Zdl_AK6j0KgodkDIN".to_owned(),
            "discord_bot_token",
        ),
    ] {
        assert_eq!(ids(&text), [id], "{text}");
    }
    for text in [
        "docker login -u bob -p $REGISTRY_PASSWORD r.corp".to_owned(),
        "docker login -u AWS -p $(aws ecr get-login-password) r.corp".to_owned(),
        "docker login -u bob -p <password> r.corp".to_owned(),
        "docker login -u bob -p {registry_pw} r.corp".to_owned(),
        "docker login -u bob -p \"${{ secrets.REGISTRY }}\"".to_owned(),
        "docker login r.corp && docker run -p 8080:80 app".to_owned(),
        "docker login --password-stdin r.corp".to_owned(),
        "APP_KEY=base64:".to_owned(),
        "APP_KEY=base64:${APP_KEY}".to_owned(),
        "hostname:port:database:username:password".to_owned(),
        "ports: [\"127.0.0.1:5432:5432\"]".to_owned(),
        "localhost:5432:app:svc:changeme".to_owned(),
        "localhost:5432:app:svc:${PGPASSWORD}".to_owned(),
        "src/main.c:5432:17:error:unexpected".to_owned(),
        "arn:aws:logs:*:*:log-group:abc12345".to_owned(),
        "cpe:2.3:a:postgresql:postgresql:16.1:*:*:*:*:*:*:*".to_owned(),
        "key_mgmt=WPA-PSK proto=WPA2 pairwise=CCMP128".to_owned(),
        "psk=os.environ[\"PSK\"]".to_owned(),
        "psk=\"your-passphrase-1\"".to_owned(),
        "ConvertTo-SecureString $env:ADMIN_PW -AsPlainText".to_owned(),
        "ConvertTo-SecureString \"$pw\" -AsPlainText".to_owned(),
        "ConvertTo-SecureString 'MyPassword123' -AsPlainText".to_owned(),
        format!("{}AzSe{}", part(41), part(7)),
        "aio_error_from_callback_of_thread".to_owned(),
        "aio_readTheWholeFileInOneCall1".to_owned(),
        "the cache key_743c2ea7b9b8699c15ea400c412baa04".to_owned(),
        format!("cache_key_{}", "743c2ea7b9b8699c15ea400c412baa04".repeat(2)),
        "task-743c2ea7b9b8699c15ea400c412baa04".to_owned(),
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        "sk-SpinnerWithManyLettersAndNoDigitAtAllInItsLongName".to_owned(),
        format!("data:;base64,{}{}", "A".repeat(40), part(90)),
        // A word of its check sum is another one.
        "Kysm4VWV1PN9gHobSeURiWwfA8TbghzvfHdoyzYJqTv5eC5ZD12a".to_owned(),
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs".to_owned(),
    ] {
        assert_eq!(ids(&text), [""; 0], "{text}");
    }
}

/// A password is announced in many languages, by a colon or by what they say in its place.
#[test]
fn passwords_are_announced_in_many_languages() {
    for text in [
        "a senha é je2Qf4Z69Vqj",
        "a palavra-passe: je2Qf4Z69Vqj",
        "la password di admin è je2Qf4Z69Vqj",
        "la password del wifi: je2Qf4Z69Vqj",
        "密码是 je2Qf4Z69Vqj",
        "密码为je2Qf4Z69Vqj",
        "密碼為 je2Qf4Z69Vqj",
        "口令: je2Qf4Z69Vqj",
        "パスワードは je2Qf4Z69Vqj です",
        "비밀번호는 je2Qf4Z69Vqj",
        "كلمة المرور: je2Qf4Z69Vqj",
        "كلمة السر هي je2Qf4Z69Vqj",
        "رمز عبور: je2Qf4Z69Vqj",
        "הסיסמה: je2Qf4Z69Vqj",
        "पासवर्ड: je2Qf4Z69Vqj",
        "รหัสผ่าน: je2Qf4Z69Vqj",
        "mật khẩu: je2Qf4Z69Vqj",
        "kata sandi: je2Qf4Z69Vqj",
        "lösenordet är je2Qf4Z69Vqj",
        "passord: je2Qf4Z69Vqj",
        "heslo: je2Qf4Z69Vqj",
        "jelszó: je2Qf4Z69Vqj",
        "lozinka: je2Qf4Z69Vqj",
        "Парола: je2Qf4Z69Vqj",
        "Şifre: je2Qf4Z69Vqj",
        "Κωδικός πρόσβασης: je2Qf4Z69Vqj",
    ] {
        assert_eq!(ids(text), ["password"], "{text}");
    }
    for text in [
        "a senha é obrigatória e deve ter 8 caracteres",
        "a senha é exatamente como antes",
        "la password è stata cambiata",
        "密码是必填项, 8-16位",
        "密码为空",
        "パスワードは8文字以上",
        "비밀번호는 8자 이상",
        "كلمة المرور مطلوبة",
        "पासवर्ड: ${PASS}",
        "heslo: changeme",
        "mật khẩu: <password>",
        "รหัสผ่าน: os.environ['PASS']",
    ] {
        assert_eq!(ids(text), [""; 0], "{text}");
    }
}

#[test]
fn keys_in_blocks_and_tokens_in_parts() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nVJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDu\n";
    let text = format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----");
    assert_eq!(ids(&text), ["private_key"]);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    assert_eq!(ids(jwt), ["json_web_token"]);
    assert_eq!(
        ids("eyJoZWxsbyI6IndvcmxkIn0.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3"),
        [""; 0]
    );
}

/// What only begins, many times over: each beginning ends the one before, so that the time stays linear.
#[test]
fn keys_that_never_end_cost_one_look_each() {
    let text = "-----BEGIN PRIVATE KEY-----".repeat(40_000);
    assert_eq!(ids(&text), [""; 0]);
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,8F2A\n\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END RSA PRIVATE KEY-----";
    assert_eq!(ids(&(text + key)), ["private_key"]);
}

proptest! {
    #[test]
    fn nothing_panics_and_places_are_whole(text in "([ -~]|password=|AKIA|sk-|eyJ|://|é|\n){0,80}") {
        let mut last = 0;
        for secret in find(&text) {
            prop_assert!(secret.range.start >= last);
            last = secret.range.end;
            prop_assert!(text.get(secret.range).is_some_and(|part| !part.is_empty()));
        }
    }
}
