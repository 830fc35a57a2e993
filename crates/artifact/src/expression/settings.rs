//! Settings that RL Baselines3 Zoo and older releases of YOLO keep as texts and evaluate: dictionaries and literals.

use super::{LONGEST, Token, WORDS, of_torch, reaches, tell, tokens};
use crate::{finding::Verdict, json::Json, literal, scan::Scan};

/// What RL Baselines3 Zoo evaluates.
const MADE: [&str; 8] = [
    "policy_kwargs",
    "rollout_buffer_kwargs",
    "monitor_kwargs",
    "env_kwargs",
    "normalize",
    "replay_buffer_kwargs",
    "vec_env_kwargs",
    "noise_kwargs",
];
/// What older releases of YOLO do, beside any of [`BESIDE`].
const LITERALS: [&str; 3] = ["imgsz", "kpt_shape", "names"];
const BESIDE: [&str; 3] = ["stride", "task", "imgsz"];
/// Functions of Python that settings are made by.
const MAKERS: &[&str] = &["bool", "dict", "float", "int", "list", "set", "str", "tuple"];

/// Judges what of a document is evaluated so.
pub(super) fn judge(scan: &mut Scan<'_>, json: &Json) {
    json.walk("", &mut |key, value| {
        if let Some(code) = value
            .text()
            .filter(|code| MADE.contains(&key) && !makes_settings(code))
        {
            tell(scan, key, Verdict::Suspicious, code, "it is more than settings");
        }
    });
    if !BESIDE.iter().any(|key| json.get(key).is_some()) {
        return;
    }
    // What is a list already is evaluated no more.
    for key in LITERALS {
        if let Some(code) = json.get(key).and_then(Json::text)
            && code.contains('(')
            && !literal::is_one(code)
        {
            tell(scan, key, Verdict::Suspicious, code, "it is more than a literal");
        }
    }
}

/// Whether a text calls nothing but what makes dictionaries, lists, numbers, arrays of them, layers and optimizers.
fn makes_settings(code: &str) -> bool {
    if !code.contains('(') {
        return true;
    }
    // What is no expression to us may be one to Python.
    let Some(tokens) = tokens(code).filter(|_| code.len() <= LONGEST) else {
        return false;
    };
    let mut bound = of_torch();
    bound.insert("th".to_owned(), "torch".to_owned());
    let makers = tokens
        .iter()
        .enumerate()
        .all(|(at, token)| *token != Token::Mark('(') || is_maker(tokens.get(..at).unwrap_or_default()));
    makers && reaches(&tokens, &bound).is_none()
}

/// Whether what stands before a bracket is a maker of settings, or nothing that is called.
fn is_maker(before: &[Token]) -> bool {
    let (Some(Token::Name(last)), mut rest) = (before.last(), before) else {
        return !matches!(
            before.last(),
            Some(Token::Mark(')' | ']' | '}') | Token::Text(_) | Token::Number | Token::Reference)
        );
    };
    let (mut path, mut whole) = (Vec::new(), true);
    while let [above @ .., Token::Name(part)] = rest {
        path.push(part.as_str());
        let [higher @ .., Token::Mark('.')] = above else {
            break;
        };
        // A method of what is no name.
        whole = matches!(higher.last(), Some(Token::Name(_)));
        rest = higher;
    }
    path.reverse();
    match path.as_slice() {
        _ if !whole => false,
        [_] => MAKERS.contains(&last.as_str()) || WORDS.contains(&last.as_str()) && last != "nn",
        ["nn", ..] | ["torch" | "th", "nn" | "optim", ..] => true,
        ["np" | "numpy", made] => matches!(*made, "array" | "zeros" | "ones" | "full" | "float32"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_made_by_few() {
        for code in [
            "dict(activation_fn=nn.ReLU, net_arch=[dict(pi=[64], vf=[64])])",
            "{'norm_obs': True, 'norm_reward': False}",
            "dict(optimizer_class=th.optim.RMSprop, optimizer_kwargs=dict(eps=1e-5))",
            "dict(features_extractor_class=NatureCNN, ortho_init=False)",
            "dict(noise_std=np.array([0.1, 0.2]), shape=(3, 4), act=nn.LeakyReLU(0.1))",
            "True",
        ] {
            assert!(makes_settings(code), "{code}");
        }
        for code in [
            "dict(x=open('/etc/passwd').read())",
            "dict(x=torch.load('evil.pt'))",
            "dict(x=th.jit.load('evil.pt'))",
            "dict(x=np.load('x.npy', allow_pickle=True))",
            "dict(x=os.listdir('/'))",
            "dict(a=f'{exec(1)}')",
            "{'a': exec}['a']('1')",
            "(lambda e: e('1'))(exec)",
            "[e('1') for e in [exec]]",
            "list(map(exec, ['1']))",
            "5%exec('1')",
            "().__class__.__base__.__subclasses__()",
            "nn.os.system('true')",
            "dict('",
            "dict(a=NatureCNN('x'))",
            "[].dict()",
        ] {
            assert!(!makes_settings(code), "{code}");
        }
        let long = format!("dict(a=[{}exec('1')])", "1, ".repeat(LONGEST));
        assert!(!makes_settings(&long));
    }
}
