use super::*;

#[test]
fn names_that_a_template_puts_together_are_told() {
    for text in [
        "{% set u='a_b'[1] %}{{ ''[u~u~'class'~u~u] }}",
        "{% set k='a_b' %}{% set u=k[1:2] %}{{ messages[u~u~'class'~u~u] }}",
        "{% set u='a_b'[1] %}{% set c=dict(cla=1,ss=2)|join %}{{ ''[u~u~c~u~u] }}",
        "{% set u='a_b'[1] %}{{ ''['%s%sclass%s%s'|format(u,u,u,u)] }}",
        "{% set u='a_b'[1] %}{{ ''[[u,u,'class',u,u]|join] }}",
        "{% set ns=namespace(x='a_b'[1]) %}{{ ''[ns.x*2~'class'~ns.x*2] }}",
        "{% macro m(u) %}{{ ''[u*2~'class'~u*2] }}{% endmacro %}{{ m('a_b'[1]) }}",
        "{{ ''['class'.center(9,'a_b'[1])] }}",
        "{% set u='a_b'[1] %}{{ ''['class'|center(9,u)] }}",
        "{% set r='a_'[1:]~'a_'[1:]~'ssalc' %}{{ ''[r|reverse] }}",
        "{% set u=(messages|tojson)[3] %}{{ ''[u*2~'class'~u*2] }}",
        "{% for k,v in {'a_b':1}|items %}{{ ''[k[1]*2~'class'~k[1]*2] }}{% endfor %}",
        "{% set u=(dict(a_b=1)|list|first)[1] %}{{ ''[u+u+'class'+u+u] }}",
        "{{ '}}' ~ ''['_' '_class_' '_'] }}",
        "{% set u='a_b'[1] %}{% if '%}' == ''[u*2~'class'~u*2] %}{% endif %}",
        "{% set u='a_b'[1] %}{{ (messages|map('ATTR'|lower, u*2~'class'~u*2)) }}",
        "{% filter attr('x') %}a{% endfilter %}",
        "{{ ''[bos_token] }}",
    ] {
        assert!(!judge(text).is_empty(), "{text}");
    }
    for text in [
        "{% for m in messages %}{{ m['role'] + '\\n' + m['content'] | trim }}{% endfor %}",
        "{{ messages[loop.index0 - 1]['role'] }}{{ messages[-1:][0].content }}",
        "{% set ns = namespace(last=0) %}{% set ns.last = loop.index %}{{ messages[ns.last] }}",
        "{% for k in ['a', 'b'] %}{{ doc[k] }}{{ doc['option_' ~ k] }}{% endfor %}",
        "{{ tools | map(attribute='name') | join(', ') }}{{ messages|selectattr('role', 'equalto', 'user')|list }}",
        "{% set content = message.content.split('</think>')[-1].lstrip('\\n') %}{{ content[1:] }}",
        "{{ choices[['A', 'B'].index(answer)] }}{{ {'a': {'b': 1}} }}",
        "{{ param[key] }}{{ roles[message['role']] }}",
    ] {
        assert!(judge(text).is_empty(), "{text}");
    }
}
