//! The formats of secrets, each from its vendor's own documentation.
//!
//! A *prefixed* one is known by how it starts. A *named* one has no mark of its own and counts only where a name of the
//! vendor is assigned to it. Patterns are regular, have no unbounded repetition, and start where the word starts.

use super::check::Check;

/// How a format is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One of the words starts it.
    Prefixed,
    /// One of the words, in any case, names it, and the pattern is of the value.
    Named,
    /// One of the words stands in it or before it; the group `s` of the pattern, or all of it, is the secret. The word
    /// may be in any case.
    Around,
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Format {
    /// Its name in findings and policy.
    pub id: &'static str,
    /// Who issues it.
    pub vendor: &'static str,
    /// Where they describe it.
    pub docs: &'static str,
    /// What the prefilter looks for.
    pub words: &'static [&'static str],
    /// What must follow.
    pub pattern: &'static str,
    /// How it is recognised.
    pub rule: Rule,
    /// Least Shannon entropy of the secret, in bits per character.
    pub entropy: f32,
    /// What else its characters must satisfy.
    pub check: Check,
}

type Words = &'static [&'static str];

const fn prefixed(
    id: &'static str,
    vendor: &'static str,
    docs: &'static str,
    words: Words,
    pattern: &'static str,
) -> Format {
    Format {
        id,
        vendor,
        docs,
        words,
        pattern,
        rule: Rule::Prefixed,
        entropy: 2.5,
        check: Check::None,
    }
}

const fn named(
    id: &'static str,
    vendor: &'static str,
    docs: &'static str,
    words: Words,
    pattern: &'static str,
) -> Format {
    Format {
        id,
        vendor,
        docs,
        words,
        pattern,
        rule: Rule::Named,
        entropy: 3.0,
        check: Check::None,
    }
}

const fn around(
    id: &'static str,
    vendor: &'static str,
    docs: &'static str,
    words: Words,
    pattern: &'static str,
) -> Format {
    Format {
        id,
        vendor,
        docs,
        words,
        pattern,
        rule: Rule::Around,
        entropy: 2.0,
        check: Check::None,
    }
}

impl Format {
    const fn with(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    const fn entropy(mut self, least: f32) -> Self {
        self.entropy = least;
        self
    }
}

const UUID: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
const HEX32: &str = "[0-9a-f]{32}";
const HEX40: &str = "[0-9a-f]{40}";
const HEX64: &str = "[0-9a-f]{64}";
const JWT: &str = r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{0,2000}";
/// What an unnamed secret may be: a token, or a password; in quotes it may be more.
pub(super) const VALUE: &str = r"[A-Za-z0-9!#$%&*+./:;<=>?@^_|~-]{8,200}";

/// All formats. Where two fit the same text, the earlier one names it.
pub const FORMATS: &[Format] = &[
    // Clouds.
    prefixed("aws_access_key_id", "Amazon Web Services", "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html", &["AKIA", "ASIA", "ABIA", "ACCA"], "(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    named("aws_secret_access_key", "Amazon Web Services", "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html", &["aws_secret", "secretaccesskey", "secret_access_key", "aws_sec"], "[A-Za-z0-9/+]{40}").entropy(3.5),
    named("aws_session_token", "Amazon Web Services", "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_use-resources.html", &["aws_session_token", "sessiontoken"], "[A-Za-z0-9/+=]{100,1500}").entropy(4.0),
    prefixed("aws_bedrock_api_key", "Amazon Web Services", "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html", &["ABSK"], "ABSK[A-Za-z0-9+/]{109,269}={0,2}"),
    named("aws_mws_token", "Amazon Marketplace", "https://developer-docs.amazon.com/sp-api", &["mws"], "amzn\\.mws\\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    prefixed("google_api_key", "Google Cloud", "https://cloud.google.com/docs/authentication/api-keys", &["AIza"], "AIza[A-Za-z0-9_-]{35}"),
    prefixed("google_oauth_client_secret", "Google", "https://developers.google.com/identity/protocols/oauth2", &["GOCSPX-"], "GOCSPX-[A-Za-z0-9_-]{28}"),
    prefixed("google_oauth_access_token", "Google", "https://developers.google.com/identity/protocols/oauth2", &["ya29."], r"ya29\.[A-Za-z0-9_-]{20,1000}"),
    prefixed("google_oauth_refresh_token", "Google", "https://developers.google.com/identity/protocols/oauth2", &["1//0"], r"1//0[A-Za-z0-9_-]{40,200}"),
    around("google_service_account_key", "Google Cloud", "https://cloud.google.com/iam/docs/keys-create-delete", &["private_key_id"], r#"private_key_id\\?["']\s{0,4}:\s{0,4}\\?["'](?P<s>[0-9a-f]{40})"#),
    named("azure_client_secret", "Microsoft Entra", "https://learn.microsoft.com/en-us/entra/identity-platform/quickstart-register-app", &["client_secret", "clientsecret", "azure"], "[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    around("azure_storage_account_key", "Microsoft Azure", "https://learn.microsoft.com/en-us/azure/storage/common/storage-account-keys-manage", &["accountkey="], "(?i:accountkey)=(?P<s>[A-Za-z0-9+/]{86}==)"),
    around("azure_sas_signature", "Microsoft Azure", "https://learn.microsoft.com/en-us/azure/storage/common/storage-sas-overview", &["sig="], "sig=(?P<s>[A-Za-z0-9%+/]{42,80}(?:%3D|=))"),
    around("azure_shared_access_key", "Microsoft Azure", "https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-sas", &["sharedaccesskey="], "(?i:sharedaccesskey)=(?P<s>[A-Za-z0-9+/]{43}=)"),
    named("azure_openai_key", "Microsoft Azure", "https://learn.microsoft.com/en-us/azure/ai-services/openai", &["azure_openai", "ocp-apim-subscription-key", "cognitive"], HEX32),
    around("azure_ai_key", "Microsoft Azure", "https://learn.microsoft.com/en-us/purview/sit-defn-azure-openai-service-key", &["jqqj9"], "(?P<s>[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{27})").entropy(4.0),
    around("azure_search_key", "Microsoft Azure", "https://learn.microsoft.com/en-us/azure/search/search-security-api-keys", &["azse"], "(?P<s>[A-Za-z0-9]{42}AzSe[A-Za-z0-9]{6})").entropy(4.0),
    named("azure_devops_token", "Microsoft Azure DevOps", "https://learn.microsoft.com/en-us/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate", &["azure_devops", "azuredevops", "vsts"], "(?:[a-z2-7]{52}|[A-Za-z0-9]{84})"),
    prefixed("digitalocean_token", "DigitalOcean", "https://docs.digitalocean.com/reference/api/create-personal-access-token/", &["dop_v1_", "doo_v1_", "dor_v1_"], "do[opr]_v1_[0-9a-f]{64}"),
    named("digitalocean_spaces_key", "DigitalOcean", "https://docs.digitalocean.com/products/spaces/", &["spaces_secret", "spaces_key"], "[A-Za-z0-9/+]{43}"),
    prefixed("alibaba_access_key", "Alibaba Cloud", "https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair", &["LTAI"], "LTAI[A-Za-z0-9]{12,26}"),
    prefixed("tencent_secret_id", "Tencent Cloud", "https://www.tencentcloud.com/document/product/598", &["AKID"], "AKID[A-Za-z0-9]{32}"),
    named("ibm_cloud_api_key", "IBM Cloud", "https://cloud.ibm.com/docs/account?topic=account-userapikey", &["ibm_cloud", "ibmcloud", "ibm_api"], "[A-Za-z0-9_-]{44}"),
    named("oracle_cloud_secret", "Oracle Cloud", "https://docs.oracle.com/en-us/iaas/Content/Identity/Tasks/managingcredentials.htm", &["oci_", "oracle_cloud"], "[A-Za-z0-9+/]{43}="),
    prefixed("yandex_iam_token", "Yandex Cloud", "https://yandex.cloud/en/docs/iam/concepts/authorization/iam-token", &["t1."], r"t1\.[A-Z0-9a-z_-]{20,300}={0,2}\.[A-Z0-9a-z_-]{86}={0,2}"),
    prefixed("yandex_api_key", "Yandex Cloud", "https://yandex.cloud/en/docs/iam/concepts/authorization/api-key", &["AQVN"], "AQVN[A-Za-z0-9_-]{35,38}"),
    named("scaleway_secret_key", "Scaleway", "https://www.scaleway.com/en/docs/iam/", &["scw_secret", "scaleway"], UUID),
    prefixed("scaleway_access_key", "Scaleway", "https://www.scaleway.com/en/docs/iam/", &["SCW"], "SCW[A-Z0-9]{17}"),
    named("linode_token", "Akamai Linode", "https://techdocs.akamai.com/cloud-computing/docs/manage-personal-access-tokens", &["linode"], HEX64),
    named("vultr_api_key", "Vultr", "https://www.vultr.com/api/", &["vultr"], "[A-Z0-9]{36}"),
    named("hetzner_token", "Hetzner Cloud", "https://docs.hetzner.cloud/", &["hcloud", "hetzner"], "[A-Za-z0-9]{64}"),
    named("ovh_secret", "OVHcloud", "https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api", &["ovh_"], "[A-Za-z0-9]{32}"),
    prefixed("fly_token", "Fly.io", "https://fly.io/docs/security/tokens/", &["fo1_", "fm1", "fm2_"], "(?:fo1_[A-Za-z0-9_-]{43}|fm1[ar]_[A-Za-z0-9+/]{100,1000}={0,3}|fm2_[A-Za-z0-9+/]{100,1000}={0,3})"),
    prefixed("render_api_key", "Render", "https://render.com/docs/api", &["rnd_"], "rnd_[A-Za-z0-9]{28,32}"),
    named("vercel_token", "Vercel", "https://vercel.com/docs/rest-api", &["vercel"], "[A-Za-z0-9]{24}"),
    prefixed("netlify_token", "Netlify", "https://docs.netlify.com/api/get-started/", &["nfp_"], "nfp_[A-Za-z0-9]{36}"),
    prefixed("heroku_api_key", "Heroku", "https://devcenter.heroku.com/articles/authentication", &["HRKU-"], "HRKU-[A-Za-z0-9_-]{36,60}"),
    named("heroku_uuid_key", "Heroku", "https://devcenter.heroku.com/articles/authentication", &["heroku"], UUID),
    named("cloudflare_api_token", "Cloudflare", "https://developers.cloudflare.com/fundamentals/api/get-started/create-token/", &["cloudflare", "cf_api"], "(?:[A-Za-z0-9_-]{40}|[0-9a-f]{37})"),
    prefixed("cloudflare_origin_ca_key", "Cloudflare", "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/", &["v1.0-"], r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    named("fastly_api_token", "Fastly", "https://docs.fastly.com/en/guides/using-api-tokens", &["fastly"], "[A-Za-z0-9_-]{32}"),
    prefixed("akamai_client_token", "Akamai", "https://techdocs.akamai.com/developer/docs/set-up-authentication-credentials", &["akab-"], "akab-[a-z0-9]{16}-[a-z0-9]{16}"),
    prefixed("supabase_token", "Supabase", "https://supabase.com/docs/reference/api/introduction", &["sbp_", "sb_secret_"], "(?:sbp_(?:v0_)?[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{22}_[A-Za-z0-9]{8})"),
    prefixed("neon_api_key", "Neon", "https://neon.tech/docs/manage/api-keys", &["napi_"], "napi_[a-z0-9]{50,70}"),
    prefixed("planetscale_token", "PlanetScale", "https://planetscale.com/docs/concepts/service-tokens", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], "pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}"),
    prefixed("upstash_key", "Upstash", "https://upstash.com/docs", &["UPSTASH-"], "UPSTASH-[A-Za-z0-9]{32,64}"),
    named("mongodb_atlas_key", "MongoDB Atlas", "https://www.mongodb.com/docs/atlas/configure-api-access/", &["atlas_private", "mongodb_atlas"], UUID),
    prefixed("mongodb_service_account", "MongoDB Atlas", "https://www.mongodb.com/docs/atlas/api/service-accounts-overview/", &["mdb_sa_sk_"], "mdb_sa_sk_[A-Za-z0-9_-]{40}"),
    prefixed("databricks_token", "Databricks", "https://docs.databricks.com/en/dev-tools/auth/pat.html", &["dapi", "dkea"], "(?:dapi|dkea)[0-9a-f]{32}(?:-[0-9])?"),
    named("snowflake_password", "Snowflake", "https://docs.snowflake.com/en/user-guide/key-pair-auth", &["snowflake_password", "snowsql_pwd"], VALUE).entropy(2.8),
    named("confluent_secret", "Confluent", "https://docs.confluent.io/cloud/current/security/authenticate/workload-identities/service-accounts/api-keys/overview.html", &["confluent"], "[A-Za-z0-9+/]{64}"),
    prefixed("aiven_token", "Aiven", "https://aiven.io/docs/platform/concepts/authentication-tokens", &["aivenv1"], "aivenv1[A-Za-z0-9+/=]{300,400}"),
    around("azure_entra_secret", "Microsoft Entra", "https://learn.microsoft.com/en-us/entra/identity-platform/quickstart-register-app", &["8q~", "7q~", "6q~", "5q~", "9q~"], r"(?P<s>[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})").entropy(3.5),
    around("azure_devops_marked_token", "Microsoft Azure DevOps", "https://learn.microsoft.com/en-us/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate", &["azdo"], "(?P<s>[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4})").entropy(3.5),
    prefixed("vercel_blob_token", "Vercel", "https://vercel.com/docs/vercel-blob", &["vercel_blob_rw_"], "vercel_blob_rw_[A-Za-z0-9]{16}_[A-Za-z0-9]{30}"),
    named("railway_token", "Railway", "https://docs.railway.com/guides/public-api", &["railway_token", "railway_api"], UUID),
    // Source code and packages.
    prefixed("github_token", "GitHub", "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], "gh[pousr]_[A-Za-z0-9]{36}").with(Check::Crc62),
    prefixed("github_fine_grained_token", "GitHub", "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens", &["github_pat_"], "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    prefixed("gitlab_token", "GitLab", "https://docs.gitlab.com/security/tokens/", &["glpat-", "gldt-", "glptt-", "glrt-", "glcbt-", "glsoat-", "glagent-", "gloas-", "glft-", "glimt-", "glffct-", "GR1348941"], r"(?:glpat|gldt|glptt|glrt|glcbt|glsoat|glagent|gloas|glft|glimt|glffct)-[A-Za-z0-9_-]{20,80}(?:\.[0-9a-z.]{2,20})?|GR1348941[A-Za-z0-9_-]{20}"),
    prefixed("bitbucket_app_password", "Bitbucket", "https://support.atlassian.com/bitbucket-cloud/docs/app-passwords/", &["ATBB"], "ATBB[A-Za-z0-9]{24}[0-9A-F]{8}"),
    prefixed("atlassian_api_token", "Atlassian", "https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/", &["ATATT3", "ATCTT3"], "AT[AC]TT3[A-Za-z0-9_=-]{60,240}=[0-9A-F]{8}").with(Check::CrcHex),
    prefixed("npm_token", "npm", "https://docs.npmjs.com/about-access-tokens", &["npm_"], "npm_[A-Za-z0-9]{36}").with(Check::Crc62),
    prefixed("pypi_token", "PyPI", "https://pypi.org/help/#apitoken", &["pypi-AgE"], "pypi-AgE[A-Za-z0-9_-]{50,1000}"),
    prefixed("rubygems_key", "RubyGems", "https://guides.rubygems.org/api-key-scopes/", &["rubygems_"], "rubygems_[0-9a-f]{48}"),
    prefixed("crates_io_token", "crates.io", "https://doc.rust-lang.org/cargo/reference/publishing.html", &["cio"], "cio[A-Za-z0-9]{32}"),
    prefixed("nuget_key", "NuGet", "https://learn.microsoft.com/en-us/nuget/nuget-org/scoped-api-keys", &["oy2"], "oy2[a-p][a-z2-7]{15}[a-z0-9]{27}"),
    prefixed("docker_token", "Docker Hub", "https://docs.docker.com/security/access-tokens/", &["dckr_pat_", "dckr_oat_"], "dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,32}"),
    prefixed("artifactory_key", "JFrog Artifactory", "https://jfrog.com/help/r/jfrog-platform-administration-documentation/access-tokens", &["AKCp", "cmVmdGtu"], "(?:AKCp[A-Za-z0-9]{69}|cmVmdGtu[A-Za-z0-9]{56})"),
    prefixed("clojars_token", "Clojars", "https://github.com/clojars/clojars-web/wiki/Deploy-Tokens", &["CLOJARS_"], "CLOJARS_[a-z0-9]{60}"),
    named("circleci_token", "CircleCI", "https://circleci.com/docs/managing-api-tokens/", &["circleci", "circle_token"], HEX40),
    prefixed("circleci_personal_token", "CircleCI", "https://circleci.com/docs/managing-api-tokens/", &["CCIPAT_", "CCIPRJ_"], "CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}"),
    named("travis_token", "Travis CI", "https://developer.travis-ci.com/authentication", &["travis"], "[A-Za-z0-9_-]{22}"),
    prefixed("buildkite_token", "Buildkite", "https://buildkite.com/docs/apis/managing-api-tokens", &["bkua_", "bkct_"], "bk(?:ua|ct)_[A-Za-z0-9]{36,60}"),
    named("codecov_token", "Codecov", "https://docs.codecov.com/docs/codecov-tokens", &["codecov"], UUID),
    prefixed("sonar_token", "SonarQube", "https://docs.sonarsource.com/sonarqube-server/user-guide/managing-tokens/", &["sqp_", "sqa_", "squ_"], "sq[pau]_[0-9a-f]{40}"),
    named("snyk_token", "Snyk", "https://docs.snyk.io/snyk-api/authentication-for-api", &["snyk"], UUID),
    prefixed("semgrep_token", "Semgrep", "https://semgrep.dev/docs/semgrep-appsec-platform/api", &["SEMGREP_APP_TOKEN="], "SEMGREP_APP_TOKEN=[0-9a-f]{64}"),
    prefixed("pulumi_token", "Pulumi", "https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/", &["pul-"], "pul-[0-9a-f]{40}"),
    around("terraform_cloud_token", "HashiCorp Terraform", "https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens", &[".atlasv1."], r"(?P<s>[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70})"),
    prefixed("vault_token", "HashiCorp Vault", "https://developer.hashicorp.com/vault/docs/concepts/tokens", &["hvs.", "hvb.", "hvr."], r"hv[sbr]\.[A-Za-z0-9_-]{24,300}"),
    prefixed("doppler_token", "Doppler", "https://docs.doppler.com/docs/service-tokens", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    prefixed("infisical_token", "Infisical", "https://infisical.com/docs/documentation/platform/token", &["st."], r"st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}"),
    prefixed("onepassword_service_token", "1Password", "https://developer.1password.com/docs/service-accounts/", &["ops_eyJ"], "ops_eyJ[A-Za-z0-9+/_-]{200,1500}={0,2}"),
    prefixed("onepassword_secret_key", "1Password", "https://support.1password.com/secret-key-security/", &["A3-"], "A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"),
    prefixed("age_secret_key", "age", "https://github.com/C2SP/C2SP/blob/main/age.md", &["AGE-SECRET-KEY-1"], "AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    prefixed("sourcegraph_token", "Sourcegraph", "https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token", &["sgp_"], "sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}"),
    prefixed("postman_key", "Postman", "https://learning.postman.com/docs/developer/postman-api/authentication/", &["PMAK-"], "PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    prefixed("launchdarkly_key", "LaunchDarkly", "https://docs.launchdarkly.com/home/account/api", &["sdk-", "api-", "mob-"], "(?:sdk|api|mob)-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    prefixed("linear_key", "Linear", "https://developers.linear.app/docs/graphql/working-with-the-graphql-api", &["lin_api_", "lin_oauth_"], "lin_(?:api|oauth)_[A-Za-z0-9]{40,64}"),
    prefixed("figma_token", "Figma", "https://www.figma.com/developers/api#access-tokens", &["figd_", "figu_"], "fig[du]_[A-Za-z0-9_-]{40,48}"),
    prefixed("airtable_token", "Airtable", "https://airtable.com/developers/web/guides/personal-access-tokens", &["pat"], r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    prefixed("notion_token", "Notion", "https://developers.notion.com/docs/authorization", &["ntn_", "secret_"], "(?:ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43})"),
    named("asana_token", "Asana", "https://developers.asana.com/docs/personal-access-token", &["asana"], "[0-9]/[0-9]{16}(?:/[0-9]{16})?:[0-9a-f]{32}"),
    named("trello_token", "Trello", "https://developer.atlassian.com/cloud/trello/guides/rest-api/authorization/", &["trello"], "(?:ATTA)?[0-9a-f]{64}[0-9A-F]{0,8}"),
    named("jira_token", "Atlassian", "https://developer.atlassian.com/cloud/jira/platform/basic-auth-for-rest-apis/", &["jira", "confluence"], "[A-Za-z0-9]{24}"),
    prefixed("clickup_token", "ClickUp", "https://developer.clickup.com/docs/authentication", &["pk_"], "pk_[0-9]{6,9}_[A-Z0-9]{32}"),
    named("contentful_token", "Contentful", "https://www.contentful.com/developers/docs/references/authentication/", &["contentful"], "(?:CFPAT-)?[A-Za-z0-9_-]{43}"),
    named("algolia_key", "Algolia", "https://www.algolia.com/doc/guides/security/api-keys/", &["algolia"], HEX32),
    prefixed("sanity_token", "Sanity", "https://www.sanity.io/docs/http-auth", &["skEd", "skPr"], "sk(?:Ed|Pr)[A-Za-z0-9]{76,180}"),
    prefixed("readme_key", "ReadMe", "https://docs.readme.com/main/reference/intro/authentication", &["rdme_"], "rdme_[a-z0-9]{70}"),
    prefixed("typeform_token", "Typeform", "https://www.typeform.com/developers/get-started/personal-access-token/", &["tfp_"], "tfp_[A-Za-z0-9_.=-]{59}"),
    prefixed("frameio_token", "Frame.io", "https://developer.frame.io/docs/getting-started/authentication", &["fio-u-"], "fio-u-[A-Za-z0-9_=-]{64}"),
    prefixed("dropbox_token", "Dropbox", "https://www.dropbox.com/developers/documentation/http/documentation", &["sl."], r"sl\.(?:u\.)?[A-Za-z0-9_-]{130,1500}"),
    prefixed("adobe_client_secret", "Adobe", "https://developer.adobe.com/developer-console/docs/guides/authentication/", &["p8e-", "p8"], "p8e-[A-Za-z0-9_-]{32}"),
    around("npm_auth", "npm", "https://docs.npmjs.com/cli/configuring-npm/npmrc", &["_auth"], r#"_auth(?:Token)?\s{0,2}=\s{0,2}"?(?P<s>[A-Za-z0-9+/_-]{12,300}={0,2})"#).entropy(3.0).with(Check::Weak),
    around("docker_auth", "Docker", "https://docs.docker.com/reference/cli/docker/login/", &["\"auth\""], r#""auth"\s{0,4}:\s{0,4}"(?P<s>[A-Za-z0-9+/]{12,300}={0,2})"#).with(Check::Basic),
    prefixed("contentful_personal_token", "Contentful", "https://www.contentful.com/developers/docs/references/authentication/", &["CFPAT-"], "CFPAT-[A-Za-z0-9_-]{43}"),
    named("laravel_app_key", "Laravel", "https://laravel.com/docs/encryption", &["app_key"], "base64:(?:[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==)"),
    // Ours: what agents show the gateway.
    prefixed("bartizan_key", "Bartizan", "https://example.invalid/bartizan/docs/guides/identity.md", &["bz_"], "bz_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}_[A-Za-z0-9]{6}").entropy(3.5).with(Check::Bartizan),
    // Models.
    prefixed("voyage_key", "Voyage AI", "https://docs.voyageai.com/docs/api-key-and-installation", &["pa-"], "pa-[A-Za-z0-9_-]{43}").entropy(4.0),
    prefixed("fireworks_key", "Fireworks AI", "https://docs.fireworks.ai/getting-started/quickstart", &["fw_"], "fw_[A-Za-z0-9]{22,24}").entropy(3.8),
    prefixed("together_marked_key", "Together AI", "https://docs.together.ai/docs/quickstart", &["tgp_v1_"], "tgp_v1_[A-Za-z0-9_-]{43}"),
    prefixed("jina_key", "Jina AI", "https://jina.ai/reader/", &["jina_"], "jina_[A-Za-z0-9]{60}"),
    prefixed("openai_key", "OpenAI", "https://platform.openai.com/docs/api-reference/authentication", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"], "sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,200}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})"),
    prefixed("anthropic_key", "Anthropic", "https://docs.anthropic.com/en/api/getting-started", &["sk-ant-"], "sk-ant-(?:api|admin|oat|ort)[0-9]{2}-[A-Za-z0-9_-]{80,120}"),
    prefixed("openrouter_key", "OpenRouter", "https://openrouter.ai/docs/api-reference/authentication", &["sk-or-v1-"], "sk-or-v1-[0-9a-f]{64}"),
    prefixed("huggingface_token", "Hugging Face", "https://huggingface.co/docs/hub/security-tokens", &["hf_", "api_org_"], "(?:hf|api_org)_[A-Za-z0-9]{34,37}"),
    prefixed("replicate_token", "Replicate", "https://replicate.com/docs/reference/http", &["r8_"], "r8_[A-Za-z0-9]{37}"),
    prefixed("groq_key", "Groq", "https://console.groq.com/docs/quickstart", &["gsk_"], "gsk_[A-Za-z0-9]{52}"),
    prefixed("perplexity_key", "Perplexity", "https://docs.perplexity.ai/", &["pplx-"], "pplx-[A-Za-z0-9]{48,56}"),
    prefixed("xai_key", "xAI", "https://docs.x.ai/docs/overview", &["xai-"], "xai-[A-Za-z0-9]{80}"),
    prefixed("nvidia_api_key", "NVIDIA", "https://docs.nvidia.com/ngc/", &["nvapi-"], "nvapi-[A-Za-z0-9_-]{60,70}"),
    prefixed("langsmith_key", "LangSmith", "https://docs.smith.langchain.com/", &["lsv2_pt_", "lsv2_sk_"], "lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    prefixed("langfuse_key", "Langfuse", "https://langfuse.com/docs/api", &["sk-lf-"], "sk-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    prefixed("pinecone_key", "Pinecone", "https://docs.pinecone.io/guides/projects/manage-api-keys", &["pcsk_"], "pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{60,66}"),
    prefixed("tavily_key", "Tavily", "https://docs.tavily.com/", &["tvly-"], "tvly-(?:dev-|prod-)?[A-Za-z0-9]{32}"),
    prefixed("e2b_key", "E2B", "https://e2b.dev/docs/api-key", &["e2b_"], "e2b_[0-9a-f]{40}"),
    prefixed("firecrawl_key", "Firecrawl", "https://docs.firecrawl.dev/", &["fc-"], "fc-[0-9a-f]{32}"),
    prefixed("elevenlabs_key", "ElevenLabs", "https://elevenlabs.io/docs/api-reference/authentication", &["sk_"], "sk_[0-9a-f]{48}"),
    named("cohere_key", "Cohere", "https://docs.cohere.com/reference/about", &["cohere", "co_api_key"], "[A-Za-z0-9]{40}"),
    named("mistral_key", "Mistral AI", "https://docs.mistral.ai/", &["mistral"], "[A-Za-z0-9]{32}"),
    named("deepseek_key", "DeepSeek", "https://api-docs.deepseek.com/", &["deepseek"], "sk-[0-9a-f]{32}"),
    prefixed("model_key", "DeepSeek, Moonshot AI and others", "https://api-docs.deepseek.com/", &["sk-"], "sk-(?:[0-9a-f]{32}|[A-Za-z0-9]{48})").entropy(3.0).with(Check::Token),
    named("together_key", "Together AI", "https://docs.together.ai/docs/quickstart", &["together_api"], HEX64),
    prefixed("weights_and_biases_key", "Weights & Biases", "https://docs.wandb.ai/guides/track/environment-variables", &["wandb_v1_"], "wandb_v1_[A-Za-z0-9_]{70,90}"),
    named("wandb_legacy_key", "Weights & Biases", "https://docs.wandb.ai/guides/track/environment-variables", &["wandb"], HEX40),
    prefixed("cursor_key", "Cursor", "https://cursor.com/docs/account/teams/admin-api", &["key_"], "key_[0-9a-f]{64}").entropy(3.2).with(Check::Weak),
    // Messages, mail, phones.
    prefixed("slack_token", "Slack", "https://api.slack.com/concepts/token-types", &["xoxb-", "xoxp-", "xoxe-", "xoxa-", "xoxr-", "xoxs-", "xoxo-", "xoxe.xox"], r"xox(?:[bpears]|e\.xox[bp]|o)-(?:[0-9A-Za-z]{1,15}-){0,4}[A-Za-z0-9]{16,170}"),
    prefixed("slack_app_token", "Slack", "https://api.slack.com/concepts/token-types", &["xapp-"], "xapp-[0-9]-[A-Z0-9]{9,13}-[0-9]{10,14}-[0-9a-f]{64}"),
    around("slack_webhook", "Slack", "https://api.slack.com/messaging/webhooks", &["hooks.slack.com/"], r"hooks\.slack\.com/(?P<s>(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60})"),
    around("discord_webhook", "Discord", "https://discord.com/developers/docs/resources/webhook", &["/api/webhooks/"], r"/api/webhooks/(?P<s>[0-9]{17,20}/[A-Za-z0-9_-]{60,72})"),
    named("discord_bot_token", "Discord", "https://discord.com/developers/docs/reference#authentication", &["discord", "token"], r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
    around("telegram_bot_token", "Telegram", "https://core.telegram.org/bots/api#authorizing-your-bot", &[":aa"], r"(?P<s>[0-9]{8,10}:AA[A-Za-z0-9_-]{33})"),
    around("teams_webhook", "Microsoft Teams", "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/what-are-webhooks-and-connectors", &["webhook.office.com/"], r"webhook\.office\.com/(?P<s>webhookb2/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36})"),
    prefixed("twilio_key_sid", "Twilio", "https://www.twilio.com/docs/iam/api-keys", &["SK"], "SK[0-9a-f]{32}"),
    named("twilio_auth_token", "Twilio", "https://www.twilio.com/docs/iam/api", &["twilio", "auth_token"], HEX32),
    prefixed("sendgrid_key", "SendGrid", "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys", &["SG."], r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    prefixed("mailgun_key", "Mailgun", "https://documentation.mailgun.com/docs/mailgun/api-reference/authentication/", &["key-"], "key-[0-9a-f]{32}"),
    around("mailchimp_key", "Mailchimp", "https://mailchimp.com/developer/marketing/guides/quick-start/", &["-us"], "(?P<s>[0-9a-f]{32}-us[0-9]{1,2})"),
    named("postmark_token", "Postmark", "https://postmarkapp.com/developer/api/overview", &["postmark"], UUID),
    prefixed("brevo_key", "Brevo", "https://developers.brevo.com/docs/getting-started", &["xkeysib-", "xsmtpsib-"], "x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    prefixed("resend_key", "Resend", "https://resend.com/docs/api-reference/introduction", &["re_"], "re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"),
    around("firebase_server_key", "Google Firebase", "https://firebase.google.com/docs/cloud-messaging/auth-server", &[":apa91b"], "(?P<s>AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{134})").entropy(4.0),
    named("intercom_token", "Intercom", "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication", &["intercom"], "[A-Za-z0-9+/=]{60}"),
    named("zendesk_token", "Zendesk", "https://developer.zendesk.com/api-reference/introduction/security-and-auth/", &["zendesk"], "[A-Za-z0-9]{40}"),
    prefixed("hubspot_token", "HubSpot", "https://developers.hubspot.com/docs/api/private-apps", &["pat-na", "pat-eu"], "pat-(?:na|eu)[0-9]-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    prefixed("klaviyo_key", "Klaviyo", "https://developers.klaviyo.com/en/docs/authenticate_", &["pk_"], "pk_[0-9a-f]{34}"),
    named("messagebird_key", "Bird", "https://developers.messagebird.com/api/", &["messagebird"], "[A-Za-z0-9]{25}"),
    named("vonage_secret", "Vonage", "https://developer.vonage.com/en/getting-started/concepts/authentication", &["nexmo", "vonage"], "[A-Za-z0-9]{16}"),
    named("pusher_secret", "Pusher", "https://pusher.com/docs/channels/using_channels/authorization/", &["pusher"], "[0-9a-f]{20}"),
    named("line_token", "LINE", "https://developers.line.biz/en/docs/basics/channel-access-token/", &["line_channel"], "[A-Za-z0-9+/]{86,172}="),
    // Money.
    prefixed("stripe_secret_key", "Stripe", "https://docs.stripe.com/keys", &["sk_live_", "sk_test_", "rk_live_", "rk_test_"], "[rs]k_(?:live|test)_[A-Za-z0-9]{16,247}"),
    prefixed("stripe_webhook_secret", "Stripe", "https://docs.stripe.com/webhooks", &["whsec_"], "whsec_[A-Za-z0-9+/]{32,64}"),
    prefixed("square_token", "Square", "https://developer.squareup.com/docs/build-basics/access-tokens", &["EAAA", "sq0atp-", "sq0csp-"], "(?:EAAA[A-Za-z0-9_-]{60}|sq0atp-[A-Za-z0-9_-]{22}|sq0csp-[A-Za-z0-9_-]{43})"),
    around("braintree_token", "Braintree", "https://developer.paypal.com/braintree/docs/guides/authorization/overview", &["access_token$production$", "access_token$sandbox$"], r"(?P<s>access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32})"),
    named("paypal_secret", "PayPal", "https://developer.paypal.com/api/rest/authentication/", &["paypal"], "E[A-Za-z0-9_-]{79}"),
    named("plaid_secret", "Plaid", "https://plaid.com/docs/api/", &["plaid"], "[0-9a-f]{30}"),
    prefixed("plaid_access_token", "Plaid", "https://plaid.com/docs/api/tokens/", &["access-production-", "access-sandbox-", "access-development-"], "access-(?:production|sandbox|development)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    named("adyen_key", "Adyen", "https://docs.adyen.com/development-resources/api-credentials/", &["adyen"], "AQE[a-z][A-Za-z0-9+/=_.-]{60,200}"),
    prefixed("razorpay_key", "Razorpay", "https://razorpay.com/docs/api/authentication/", &["rzp_live_", "rzp_test_"], "rzp_(?:live|test)_[A-Za-z0-9]{14}"),
    prefixed("flutterwave_key", "Flutterwave", "https://developer.flutterwave.com/docs/authentication", &["FLWSECK"], "FLWSECK(?:_TEST)?-[0-9a-zA-Z]{32,40}(?:-X)?"),
    prefixed("shippo_token", "Shippo", "https://docs.goshippo.com/docs/guides_general/authentication/", &["shippo_live_", "shippo_test_"], "shippo_(?:live|test)_[0-9a-f]{40}"),
    prefixed("easypost_key", "EasyPost", "https://docs.easypost.com/docs/authentication", &["EZAK", "EZTK"], "EZ[AT]K[A-Za-z0-9]{54}"),
    prefixed("shopify_token", "Shopify", "https://shopify.dev/docs/apps/build/authentication-authorization", &["shpat_", "shpca_", "shppa_", "shpss_"], "shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    prefixed("gocardless_token", "GoCardless", "https://developer.gocardless.com/api-reference/", &["live_"], "live_[A-Za-z0-9_=-]{40}"),
    named("coinbase_secret", "Coinbase", "https://docs.cdp.coinbase.com/", &["coinbase"], "[A-Za-z0-9_-]{64}"),
    named("binance_secret", "Binance", "https://developers.binance.com/docs/", &["binance"], "[A-Za-z0-9]{64}"),
    named("kraken_secret", "Kraken", "https://docs.kraken.com/api/docs/guides/spot-rest-auth", &["kraken"], "[A-Za-z0-9+/]{86}=="),
    named("ethereum_private_key", "Ethereum", "https://ethereum.org/en/developers/docs/accounts/", &["private_key", "privatekey", "priv_key"], "(?:0x)?[0-9a-fA-F]{64}"),
    prefixed("bitcoin_extended_key", "Bitcoin", "https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki", &["xprv", "yprv", "zprv", "tprv"], "[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107}"),
    // Watching and data.
    named("datadog_key", "Datadog", "https://docs.datadoghq.com/account_management/api-app-keys/", &["datadog", "dd_api_key", "dd_app_key", "dd-api-key"], "(?:[0-9a-f]{40}|[0-9a-f]{32})"),
    prefixed("newrelic_key", "New Relic", "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/", &["NRAK-", "NRJS-", "NRII-", "NRIQ-", "NRRA-"], "NR(?:AK-[A-Z0-9]{27}|JS-[0-9a-f]{19}|I[IQ]-[A-Za-z0-9_-]{32}|RA-[0-9a-f]{42})"),
    around("newrelic_license_key", "New Relic", "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/", &["ffffnral"], "(?P<s>[0-9a-f]{28,36}FFFFNRAL)"),
    prefixed("grafana_service_token", "Grafana", "https://grafana.com/docs/grafana/latest/administration/service-accounts/", &["glsa_"], "glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}").with(Check::GrafanaCrc),
    prefixed("grafana_cloud_token", "Grafana", "https://grafana.com/docs/grafana-cloud/account-management/authentication-and-permissions/access-policies/", &["glc_"], "glc_eyJ[A-Za-z0-9+/]{40,400}={0,2}"),
    prefixed("sentry_token", "Sentry", "https://docs.sentry.io/account/auth-tokens/", &["sntrys_", "sntryu_"], "(?:sntrys_eyJ[A-Za-z0-9+/=_]{60,400}|sntryu_[0-9a-f]{64})"),
    prefixed("dynatrace_token", "Dynatrace", "https://docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients", &["dt0c01.", "dt0s01."], r"dt0[cs]01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    prefixed("honeycomb_key", "Honeycomb", "https://docs.honeycomb.io/configure/environments/manage-api-keys/", &["hcaik_", "hcxik_", "hcbik_"], "hc[axb]ik_[0-9a-z]{58}"),
    prefixed("adafruit_io_key", "Adafruit IO", "https://io.adafruit.com/api/docs/", &["aio_"], "aio_[A-Za-z0-9]{28}").entropy(3.5).with(Check::Made),
    named("splunk_token", "Splunk", "https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector", &["splunk"], UUID),
    named("sumologic_key", "Sumo Logic", "https://help.sumologic.com/docs/manage/security/access-keys/", &["sumo"], "[A-Za-z0-9]{64}"),
    named("elastic_api_key", "Elastic", "https://www.elastic.co/docs/deploy-manage/api-keys", &["elastic", "apikey"], "[A-Za-z0-9+/_-]{58,60}={0,2}"),
    prefixed("posthog_key", "PostHog", "https://posthog.com/docs/api", &["phx_", "phs_"], "ph[xs]_[A-Za-z0-9]{43,47}"),
    named("segment_key", "Segment", "https://segment.com/docs/connections/find-writekey/", &["segment_write", "segment_key"], "[A-Za-z0-9]{32}"),
    named("amplitude_secret", "Amplitude", "https://amplitude.com/docs/apis/authentication", &["amplitude"], HEX32),
    named("mixpanel_secret", "Mixpanel", "https://developer.mixpanel.com/reference/project-token", &["mixpanel"], HEX32),
    named("rollbar_token", "Rollbar", "https://docs.rollbar.com/docs/access-tokens", &["rollbar"], HEX32),
    named("bugsnag_key", "BugSnag", "https://docs.bugsnag.com/api/", &["bugsnag"], HEX32),
    named("pagerduty_key", "PagerDuty", "https://support.pagerduty.com/main/docs/api-access-keys", &["pagerduty", "pd_api"], "[A-Za-z0-9+_-]{20,32}"),
    named("opsgenie_key", "Opsgenie", "https://support.atlassian.com/opsgenie/docs/api-key-management/", &["opsgenie"], UUID),
    named("mapbox_secret", "Mapbox", "https://docs.mapbox.com/help/glossary/access-token/", &["mapbox"], r"sk\.eyJ[A-Za-z0-9_-]{60,100}\.[A-Za-z0-9_-]{22}"),
    named("here_key", "HERE", "https://www.here.com/docs/", &["here_api"], "[A-Za-z0-9_-]{43}"),
    named("openweather_key", "OpenWeather", "https://openweathermap.org/appid", &["openweather", "appid"], HEX32),
    named("rapidapi_key", "RapidAPI", "https://docs.rapidapi.com/docs/keys", &["rapidapi", "x-rapidapi-key"], "[0-9a-f]{10}msh[0-9a-f]{15}p1[0-9a-f]{6}jsn[0-9a-f]{12}"),
    prefixed("tailscale_key", "Tailscale", "https://tailscale.com/kb/1215/oauth-clients", &["tskey-"], "tskey-[a-z]{3,10}-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{16,40}"),
    prefixed("ngrok_token", "ngrok", "https://ngrok.com/docs/agent/#authtokens", &["ngrok_"], "ngrok_[A-Za-z0-9]{40,50}"),
    named("ngrok_authtoken", "ngrok", "https://ngrok.com/docs/agent/#authtokens", &["ngrok", "authtoken"], "[0-9][A-Za-z0-9]{26}_[A-Za-z0-9]{20,22}"),
    named("shodan_key", "Shodan", "https://developer.shodan.io/api", &["shodan"], "[A-Za-z0-9]{32}"),
    named("virustotal_key", "VirusTotal", "https://docs.virustotal.com/reference/authentication", &["virustotal", "vt_api"], HEX64),
    named("okta_token", "Okta", "https://developer.okta.com/docs/guides/create-an-api-token/main/", &["okta", "ssws"], "00[A-Za-z0-9_-]{40}"),
    named("auth0_secret", "Auth0", "https://auth0.com/docs/get-started/applications/application-settings", &["auth0"], "[A-Za-z0-9_-]{64}"),
    prefixed("duffel_token", "Duffel", "https://duffel.com/docs/api/overview/authentication", &["duffel_live_", "duffel_test_"], "duffel_(?:live|test)_[A-Za-z0-9_=-]{43}"),
    prefixed("prefect_key", "Prefect", "https://docs.prefect.io/", &["pnu_", "pnb_"], "pn[ub]_[A-Za-z0-9]{36}"),
    prefixed("dbt_token", "dbt Cloud", "https://docs.getdbt.com/docs/dbt-cloud-apis/authentication", &["dbtc_", "dbtu_"], "dbt[cu]_[A-Za-z0-9_-]{40,60}"),
    prefixed("facebook_token", "Meta", "https://developers.facebook.com/docs/facebook-login/guides/access-tokens/", &["EAA"], "EAA(?:[MC][A-Za-z0-9]{40,400}|[A-Za-z0-9]{100,400})"),
    named("twitter_token", "X", "https://docs.x.com/resources/fundamentals/authentication/overview", &["twitter", "x_api", "bearer_token"], "(?:A{10,30}[A-Za-z0-9%]{60,120}|[A-Za-z0-9]{50})"),
    prefixed("twitter_bearer_token", "X", "https://docs.x.com/fundamentals/authentication/oauth-2-0/bearer-tokens", &["AAAAAAAAAAAAAAAAAAAA"], "A{20,26}(?:[A-Za-z0-9]|%2[BF]){16,60}%3D[A-Za-z0-9]{40,60}").entropy(3.5),
    named("linkedin_secret", "LinkedIn", "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authentication", &["linkedin"], "(?:WPL_AP1\\.[A-Za-z0-9+./=]{20,40}|[A-Za-z0-9]{16})"),
    named("twitch_secret", "Twitch", "https://dev.twitch.tv/docs/authentication/", &["twitch"], "[a-z0-9]{30}"),
    named("spotify_secret", "Spotify", "https://developer.spotify.com/documentation/web-api/concepts/authorization", &["spotify"], HEX32),
    prefixed("mapbox_secret_token", "Mapbox", "https://docs.mapbox.com/help/glossary/access-token/", &["sk.eyJ"], r"sk\.eyJ[A-Za-z0-9_-]{40,100}\.[A-Za-z0-9_-]{22}"),
    named("bitcoin_private_key", "Bitcoin", "https://en.bitcoin.it/wiki/Wallet_import_format", &["wif", "private key", "private_key", "privatekey", "privkey"], "[5KL][1-9A-HJ-NP-Za-km-z]{50,51}").entropy(3.5).with(Check::Wif),
    // What belongs to no vendor.
    around("private_key", "PEM", "https://www.rfc-editor.org/rfc/rfc7468", &["-----begin "], r"-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP|ANY) )?PRIVATE KEY(?: BLOCK)?-----(?P<s>(?:[A-Za-z0-9+/=\s\\:,.]|-[A-Za-z0-9]){40,12000}?)-----END").entropy(3.0),
    around("putty_private_key", "PuTTY", "https://the.earth.li/~sgtatham/putty/latest/htmldoc/AppendixC.html", &["putty-user-key-file-"], r"PuTTY-User-Key-File-[23]:(?s:(?P<s>.{100,4000}?Private-MAC: [0-9a-f]{40,64}))"),
    prefixed("json_web_token", "IETF", "https://www.rfc-editor.org/rfc/rfc7519", &["eyJ"], JWT).with(Check::Jwt),
    around("url_password", "IETF", "https://www.rfc-editor.org/rfc/rfc3986", &["://"], r"://[^\s:/@\x22'<>]{0,64}:(?P<s>[^\s/\x22'<>]{3,128})@[A-Za-z0-9.\[-]").entropy(1.5).with(Check::Password),
    around("basic_authorization", "IETF", "https://www.rfc-editor.org/rfc/rfc7617", &["basic "], r"(?i:basic) (?P<s>[A-Za-z0-9+/]{12,300}={0,2})").with(Check::Basic),
    around("bearer_authorization", "IETF", "https://www.rfc-editor.org/rfc/rfc6750", &["bearer "], r"(?i:bearer) (?P<s>[A-Za-z0-9_~+/.-]{20,1500}={0,2})").entropy(3.2).with(Check::Token),
    named("wireguard_private_key", "WireGuard", "https://www.wireguard.com/quickstart/", &["privatekey", "private_key", "presharedkey"], "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=").entropy(4.0),
    around("xml_password", "any", "https://cwe.mitre.org/data/definitions/798.html", &["password>", "passwd>", "pwd>", "secret>", "apikey>"], r"(?i:password|passwd|pwd|secret|apikey)>(?P<s>[^<>\s]{6,128})</").entropy(2.2).with(Check::Password),
    around("command_line_password", "any", "https://cwe.mitre.org/data/definitions/798.html", &["--password", "--passwd", "--passphrase", "--token", "--secret", "--api-key"], r#"--(?i:password|passwd|passphrase|token|secret|api-key)[ =]["']?(?P<s>[^\s"'`]{6,200})"#).entropy(2.5).with(Check::Password),
    around("curl_password", "curl", "https://curl.se/docs/manpage.html", &["-u ", "--user "], r#"(?:-u|--user) ["']?[A-Za-z0-9._@\\-]{1,64}:(?P<s>[^\s"'`]{6,128})"#).entropy(2.2).with(Check::Password),
    around("mysql_password", "MySQL", "https://dev.mysql.com/doc/refman/8.4/en/command-line-options.html", &["mysql"], r#"(?i:mysql)[a-z]{0,6} (?:[^\n]{0,80}? )?-p(?P<s>[^\s"'-][^\s"']{5,100})"#).entropy(2.2).with(Check::Password),
    around("sshpass_password", "sshpass", "https://manpages.debian.org/stable/sshpass/sshpass.1.en.html", &["sshpass"], r#"sshpass -p ?["']?(?P<s>[^\s"'`]{5,100})"#).entropy(2.2).with(Check::Password),
    around("login_password", "Docker and others", "https://docs.docker.com/reference/cli/docker/login/", &["docker login", "podman login", "buildah login", "skopeo login", "nerdctl login", "registry login", "az login", "oc login", "cf login"], r#"(?-u:\b)(?i:docker|podman|buildah|skopeo|nerdctl|registry|az|oc|cf) (?i:login) (?:[^\n]{0,160}? )?-p[ =]["']?(?P<s>[^\s"'`{\[(<$-][^\s"'`]{5,127})"#).entropy(2.2).with(Check::Password),
    around("powershell_password", "Microsoft PowerShell", "https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.security/convertto-securestring", &["convertto-securestring "], r#"(?i:convertto-securestring) (?:-[A-Za-z]{1,20} ){0,3}["'](?P<s>[^\s"'`]{6,100})["']"#).entropy(2.2).with(Check::Password),
    around("session_cookie", "IETF", "https://www.rfc-editor.org/rfc/rfc6265", &["cookie:"], r"(?i:cookie): [^\n]{0,200}?(?i:session|sessionid|sid|auth|token)[A-Za-z_-]{0,12}=(?P<s>[A-Za-z0-9%._-]{20,400})").entropy(3.0).with(Check::Token),
    around("netrc_password", "any", "https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html", &["login "], r"login\s{1,4}\S{1,64}\s{1,4}password\s{1,4}(?P<s>\S{4,128})").entropy(2.0).with(Check::Password),
    around("pgpass_password", "PostgreSQL", "https://www.postgresql.org/docs/current/libpq-pgpass.html", &[":5432:", ":5433:", ":6432:", ":*:*:postgres:"], r#":(?:(?:5432|5433|6432):[A-Za-z0-9_*.-]{1,63}:[A-Za-z0-9_*.@-]{1,63}|\*:\*:postgres):(?P<s>[^\s:"'`\\]{6,128})(?:[\s"'`\\]|$)"#).entropy(2.2).with(Check::Made),
    around("wifi_password", "Wi-Fi Alliance", "https://www.wi-fi.org/file/wpa3-specification", &["wifi:"], r"(?i:wifi):[^\n]{0,120}?P:(?P<s>[^;\n]{8,63});").with(Check::Weak),
    around("wifi_key", "Wi-Fi Alliance", "https://w1.fi/cgit/hostap/plain/wpa_supplicant/wpa_supplicant.conf", &["psk=", "wpa-psk ", "wpa_passphrase="], r#"(?:psk=|PSK=|wpa-psk |wpa_passphrase=)["']?(?P<s>[A-Za-z0-9!#$%&*+./:;<=>?@^_|~-]{8,64})"#).entropy(2.5).with(Check::Made),
    around("short_password", "any", "https://cwe.mitre.org/data/definitions/798.html", &["_pass", "\"pass\"", "'pass'", "pass:", "pass=", "pass ="], r#"(?:[_"']|(?-u:\b))(?i:pass)["']?\s{0,2}[:=]\s{0,2}["']?(?P<s>[A-Za-z0-9!#$%&*+./:;<=>?@^_|~-]{8,128})"#).entropy(2.5).with(Check::Made),
    around("environment_token", "any", "https://cwe.mitre.org/data/definitions/798.html", &["token="], r#"TOKEN=["']?(?P<s>[A-Za-z0-9_.~+/-]{20,400})"#).entropy(3.2).with(Check::Token),
    around("private_json_web_key", "IETF", "https://www.rfc-editor.org/rfc/rfc7518#section-6.2.2", &["\"d\""], r#""d"\s{0,4}:\s{0,4}"(?P<s>[A-Za-z0-9_-]{43,700})""#).entropy(4.0),
    around("recovery_phrase", "Bitcoin", "https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki", &["seed phrase", "recovery phrase", "mnemonic"], r"(?i:seed phrase|recovery phrase|mnemonic(?: phrase)?)[^A-Za-z\n]{1,6}(?P<s>(?:[a-z]{3,8} ){11}(?:(?:[a-z]{3,8} ){3}){0,4}[a-z]{3,8})").entropy(3.0).with(Check::Weak),
    prefixed("password_hash", "crypt(3)", "https://man7.org/linux/man-pages/man5/crypt.5.html", &["$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$apr1$", "$argon2i"], r"\$(?:2[aby]\$[0-9]{2}\$[A-Za-z0-9./]{53}|[56]\$(?:rounds=[0-9]{1,9}\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{43,86}|y\$[A-Za-z0-9./]{1,8}\$[A-Za-z0-9./]{1,86}\$[A-Za-z0-9./]{43}|apr1\$[A-Za-z0-9./]{1,8}\$[A-Za-z0-9./]{22}|argon2id?\$v=[0-9]{1,3}\$m=[0-9]{1,9},t=[0-9]{1,4},p=[0-9]{1,4}\$[A-Za-z0-9+/]{8,64}\$[A-Za-z0-9+/]{22,128})").with(Check::Weak),
    named("password", "any", "https://cwe.mitre.org/data/definitions/798.html", &["password", "passwd", "passphrase", "pwd", "passwort", "kennwort", "mot de passe", "contraseña", "contrasena", "senha", "wachtwoord", "hasło", "lösenord", "adgangskode", "salasana", "parola", "şifre", "ароль", "密码", "密碼", "パスワード", "비밀번호", "palavra-passe", "contrasenya", "passord", "kodeord", "heslo", "jelszó", "lozinka", "kata sandi", "kata laluan", "mật khẩu", "Şifre", "арола", "συνθηματικό", "κωδικός πρόσβασης", "Κωδικός πρόσβασης", "סיסמה", "סיסמא", "كلمة المرور", "كلمة السر", "رمز عبور", "گذرواژه", "पासवर्ड", "পাসওয়ার্ড", "รหัสผ่าน", "口令"], VALUE).entropy(2.2).with(Check::Password),
    named("secret", "any", "https://cwe.mitre.org/data/definitions/798.html", &["secret", "api_key", "apikey", "api-key", "access_key", "accesskey", "auth_key", "encryption_key", "signing_key", "access_token", "auth_token", "api_token", "refresh_token", "client_token", "private_token"], VALUE).entropy(3.0).with(Check::Token),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_and_each_is_its_own() {
        // What the README says of them is how many there are.
        let said = format!("{} formats of secrets", FORMATS.len());
        assert!(include_str!("../../../../README.md").contains(&said), "{said}");
        let mut ids: Vec<&str> = FORMATS.iter().map(|format| format.id).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        for format in FORMATS {
            assert!(
                format.docs.starts_with("https://") && !format.words.is_empty(),
                "{}",
                format.id
            );
            for open in ["{0,}", ".*", ".+", "]*", "]+", ")*", ")+"] {
                assert!(!format.pattern.contains(open), "{} is unbounded", format.id);
            }
        }
    }
}
