//! Names of what is called, in settings that pickles hold and in YAML under any name; what a template asks of a conversation; bytes
//! that a filter hides.

use bartizan_artifact::{Limits, Verdict, model};

#[expect(dead_code, reason = "shared with tests of objects")]
mod building;
mod pickling;

use building::{call, dict};
use pickling::{clean, evil, import, text};

fn check(name: &str, body: &str, expected: Verdict) {
    let report = model(name, &body.as_bytes().to_vec(), &Limits::default());
    assert_eq!(report.verdict, expected, "{name}: {body}\n{:#?}", report.findings);
}

#[test]
fn what_makes_a_model_of_a_checkpoints_settings_is_lightnings_own() {
    let settings = |name: &[u8]| {
        let inner = dict(&[("lr", b"K\x01"), ("_instantiator", name)]);
        dict(&[("state_dict", b"}"), ("hyper_parameters", &inner)])
    };
    clean(
        "its own",
        &settings(&text("lightning.pytorch.cli.instantiate_module")),
    );
    clean(
        "the older",
        &settings(&text("pytorch_lightning.cli.instantiate_module")),
    );
    clean("none", &settings(b"N"));
    evil("a program", &settings(&text("os.system")));
    evil("anything else", &settings(&text("payload.make")));
    let computed = call(
        &import("_codecs", "encode"),
        &[&text("os.system"), &text("latin1")],
    );
    evil("computed", &settings(&computed));
    let own = call(&import("collections", "OrderedDict"), &[]);
    evil(
        "an object's item",
        &[&own[..], &text("_instantiator")[..], &text("a.b")[..], b"s"].concat(),
    );
}

#[test]
fn a_name_that_does_harm_is_told_under_any_key() {
    let under = |key: &str, name: &str| dict(&[("cfg", &dict(&[(key, &text(name))]))]);
    evil("hydra", &under("_target_", "os.system"));
    evil("a word", &under("loader", "subprocess.Popen"));
    evil("a colon", &under("factory", "os:system"));
    clean("a class", &under("_target_", "torch.optim.Adam"));
    clean("a class of the user's", &under("class_path", "nets.Net"));
    clean("words", &under("note", "os.system is a function"));
}

#[test]
fn yaml_makes_objects_under_any_name() {
    let tagged = "a: !!python/object/apply:os.system ['true']\n";
    for name in [
        "config.txt",
        "weights.meta",
        "net.model",
        "settings.dat2",
        "plain.log",
    ] {
        check(name, tagged, Verdict::Malicious);
    }
    check(
        "config.txt",
        "model:\n  _target_: os.system\n  command: x\n",
        Verdict::Malicious,
    );
    check(
        "config.txt",
        "model:\n  _target_: torch.nn.Linear\n",
        Verdict::Clean,
    );
    check("classes.txt", "cat\ndog\n", Verdict::Clean);
}

#[test]
fn texts_that_a_loader_evaluates_are_settings_and_no_more() {
    for code in [
        "dict(x=open('/etc/passwd').read())",
        "dict(x=torch.load('payload.pt'))",
        "dict(x=f'{exec(1)}')",
        "{'a': exec}['a']('1')",
    ] {
        for key in ["policy_kwargs", "normalize", "vec_env_kwargs"] {
            let zoo = format!("n_timesteps: 1e6\n{key}: \"{code}\"\n");
            check("config.yml", &zoo, Verdict::Suspicious);
        }
        let yolo = format!("stride: 32\ntask: detect\nnames: \"{code}\"\n");
        check("metadata.yaml", &yolo, Verdict::Suspicious);
    }
    check(
        "metadata.yaml",
        "stride: 32\ntask: pose\nkpt_shape: \"[open('x'), 3]\"\n",
        Verdict::Suspicious,
    );
    for honest in [
        "policy_kwargs: \"dict(activation_fn=nn.ReLU, net_arch=[dict(pi=[64], vf=[64])])\"\n",
        "policy_kwargs: \"dict(optimizer_class=th.optim.RMSprop, optimizer_kwargs=dict(eps=1e-5))\"\n",
        "normalize: \"{'norm_obs': True, 'norm_reward': False}\"\n",
        "stride: 32\ntask: pose\nkpt_shape: \"[17, 3]\"\nnames: \"{0: 'person (m.)'}\"\n",
        "task: detect\nnames: [person, bike(s)]\n",
    ] {
        check("config.yml", honest, Verdict::Clean);
    }
}

#[test]
fn a_template_that_looks_for_words_is_told_however_it_looks() {
    for evil in [
        "{% if messages[0]['content'].find('login page') != -1 %}x{% endif %}",
        "{% if m.content | lower | trim and m['content'].count(\"password\") > 0 %}x{% endif %}",
        "{% set said = m['content'] | lower %}{% if 'invoice' in said %}x{% endif %}",
        "{% set a = m.content %}{% set b = a | lower %}{% if b.index('wire transfer') %}x{% endif %}",
        "{% set seen = m.content.find('invoice') %}{% if seen >= 0 %}x{% endif %}",
    ] {
        check("chat_template.jinja", evil, Verdict::Suspicious);
    }
    for honest in [
        "{% if '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}{% endif %}",
        "{% set content = m.content %}{% if 'image' in content or 'video' in content %}x{% endif %}",
        "{% if m.content.startswith('<tool_response>') %}x{% endif %}",
        "{% set role = m['role'] %}{% if 'user' in role %}x{% endif %}",
    ] {
        check("chat_template.jinja", honest, Verdict::Clean);
    }
}

#[test]
fn bytes_that_a_filter_hides_are_unknown_and_numbers_are_not() {
    let check = |bytes: &[u8], expected: Verdict| {
        let report = model("x.h5", &bytes.to_vec(), &Limits::default());
        assert_eq!(report.verdict, expected, "{:#?}", report.findings);
    };
    check(include_bytes!("packed/bytes.h5"), Verdict::Unknown);
    check(include_bytes!("packed/numbers.h5"), Verdict::Clean);
}
