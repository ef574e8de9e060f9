#include "common/kube/kubeconfig.h"

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = R"(
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: here
  cluster: {server: "https://here:6443", certificate-authority-data: Q0E=, tls-server-name: api}
- name: there
  cluster: {server: "https://there:6443", certificate-authority: pki/ca.pem, proxy-url: "socks5://p:1"}
contexts:
- name: one
  context: {cluster: here, user: me, namespace: blue}
- name: two
  context: {cluster: there, user: robot}
- name: nobody
  context: {cluster: here}
users:
- name: me
  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
- name: robot
  user: {token: abc}
)";

absl::StatusOr<KubeEndpoint> Read(const std::string& text, const std::string& context = "") {
  return ReadKubeconfig({{"/etc/xpu/kubeconfig", text}}, context);
}

TEST(KubeconfigTest, TheCurrentContextIsTakenUnlessAnotherIsAskedFor) {
  const KubeEndpoint one = Read(kConfig).value();
  EXPECT_EQ(one.server, "https://here:6443");
  EXPECT_EQ(one.ca, "CA");
  EXPECT_EQ(one.tls_server_name, "api");
  EXPECT_EQ(one.ns, "blue");
  EXPECT_EQ(one.credentials->Get().value(), (KubeIdentity{.certificate = "CERT", .key = "KEY"}));
  const KubeEndpoint two = Read(kConfig, "two").value();
  EXPECT_EQ(two.server, "https://there:6443");
  EXPECT_EQ(two.ca_file, "/etc/xpu/pki/ca.pem") << "relative to the file that names it";
  EXPECT_EQ(two.proxy, "socks5://p:1");
  EXPECT_EQ(two.ns, "default");
  EXPECT_EQ(two.credentials->Get()->token, "abc");
  EXPECT_EQ(Read(kConfig, "nobody")->credentials->Get().value(), KubeIdentity());
}

TEST(KubeconfigTest, OfSeveralFilesTheFirstThatSaysSomethingCounts) {
  const std::string first = R"(
contexts:
- {name: one, context: {cluster: there, user: robot}}
users:
- {name: robot, user: {token: first}}
)";
  const std::string second = absl::StrCat(kConfig, "\npreferences: {}\n");
  const KubeEndpoint endpoint = ReadKubeconfig({{"/a/config", first}, {"/b/config", second}}, "").value();
  EXPECT_EQ(endpoint.server, "https://there:6443") << "context of the first, current-context of the second";
  EXPECT_EQ(endpoint.ca_file, "/b/pki/ca.pem");
  EXPECT_EQ(endpoint.credentials->Get()->token, "first");
}

TEST(KubeconfigTest, AnExecPluginIsFoundBesideTheFileAndToldTheClusterIfItWants) {
  const TemporaryDirectory folder = TemporaryDirectory::Make().value();
  ASSERT_TRUE(
      WriteFileAtomic(folder.path() + "/login",
                      "#!/bin/sh\nprintf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":"
                      "\"ExecCredential\",\"status\":{\"token\":\"%s-%s\"}}' \"$WHO\" \"$1\"\n"
                      "printf '%s' \"$KUBERNETES_EXEC_INFO\" > \"$OUT\"\n",
                      0700)
          .ok());
  const std::string config = absl::StrCat(R"(
current-context: c
clusters: [{name: k, cluster: {server: "https://k", certificate-authority-data: Q0E=}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      args: [now]
      env: [{name: WHO, value: me}, {name: OUT, value: )",
                                          folder.path(), R"(/info}]
      provideClusterInfo: true
      interactiveMode: IfAvailable
)");
  const KubeEndpoint endpoint = ReadKubeconfig({{folder.path() + "/config", config}}, "").value();
  const absl::StatusOr<KubeIdentity> identity = endpoint.credentials->Get();
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->token, "me-now");
  EXPECT_THAT(ReadFile(folder.path() + "/info").value(),
              HasSubstr(R"("cluster":{"certificate-authority-data":"Q0E=","server":"https://k"})"));
}

TEST(KubeconfigTest, WhatCannotBeUsedIsNamed) {
  const std::string head = R"(
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
)";
  const std::string cluster = "clusters: [{name: k, cluster: {server: \"https://k\"}}]\n";
  const struct {
    std::string text;
    std::vector<const char*> says;
  } cases[] = {
      {": :", {"/etc/xpu/kubeconfig"}},
      {"kind: Pod", {"/etc/xpu/kubeconfig", "Config"}},
      {"clusters: []", {"current-context"}},
      {"current-context: x", {"\"x\"", "it has none"}},
      {head, {"cluster \"k\"", "none"}},
      {absl::StrCat(head, "clusters: 5"), {"clusters", "no list"}},
      {absl::StrCat(head, "clusters: [{cluster: {}}]"), {"clusters[0]", "name"}},
      {absl::StrCat(head, "clusters: [{name: k, cluster: {}}]"), {"clusters[0].cluster.server", "missing"}},
      {absl::StrCat(head, "clusters: [{name: k, cluster: {server: [1]}}]"), {"server", "no text"}},
      {absl::StrCat(head, "clusters: [{name: k, cluster: {server: s, insecure-skip-tls-verify: true}}]"),
       {"insecure-skip-tls-verify", "certificate-authority-data"}},
      {absl::StrCat(head, "clusters: [{name: k, cluster: {server: s, certificate-authority-data: '*'}}]"),
       {"certificate-authority-data", "base64"}},
      {absl::StrCat(head, cluster), {"user \"u\""}},
      {absl::StrCat(head, cluster, "users: [{name: u, user: {client-key-data: S0VZ}}]"),
       {"client-certificate"}},
      {absl::StrCat(head, cluster, "users: [{name: u, user: {auth-provider: {name: x}}}]"),
       {"auth-provider"}},
      {absl::StrCat(head, cluster, "users: [{name: u, user: {exec: {command: x}}}]"), {"exec.apiVersion"}},
      {absl::StrCat(head, cluster,
                    "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}]"),
       {"exec.command", "missing"}},
      {absl::StrCat(
           head, cluster,
           "users: [{name: u, user: {token: t, exec: {apiVersion: client.authentication.k8s.io/v1, command: "
           "x}}}]"),
       {"exec", "one kind"}},
      {absl::StrCat(
           head, cluster,
           "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
           "interactiveMode: Always}}}]"),
       {"interactiveMode"}},
  };
  for (const auto& [text, says] : cases) {
    const absl::Status status = Read(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsNotFound(status)) << text << status;
    for (const char* words : says) EXPECT_THAT(std::string(status.message()), HasSubstr(words)) << text;
  }
}

TEST(KubeconfigTest, FilesThatAreNotThereAreLeftOutButNotAllOfThem) {
  const TemporaryDirectory folder = TemporaryDirectory::Make().value();
  const std::string path = folder.path() + "/config";
  ASSERT_TRUE(WriteFileAtomic(path, kConfig).ok());
  EXPECT_EQ(LoadKubeconfig({folder.path() + "/none", path}, "")->server, "https://here:6443");
  const absl::Status none = LoadKubeconfig({folder.path() + "/none"}, "").status();
  EXPECT_TRUE(absl::IsNotFound(none));
  EXPECT_THAT(std::string(none.message()), HasSubstr(folder.path() + "/none"));
  EXPECT_EQ(EndpointFromFlags({.kubeconfig = folder.path() + "/none:" + path, .context = "two"})->server,
            "https://there:6443");
}

TEST(KubeconfigTest, APodFindsItsClusterByItsServiceAccount) {
  const TemporaryDirectory folder = TemporaryDirectory::Make().value();
  unsetenv("KUBERNETES_SERVICE_HOST");
  EXPECT_TRUE(absl::IsFailedPrecondition(InClusterEndpoint(folder.path()).status()));
  setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(InClusterEndpoint(folder.path()).status())) << "no service account";
  ASSERT_TRUE(WriteFileAtomic(folder.path() + "/ca.crt", "CA").ok());
  ASSERT_TRUE(WriteFileAtomic(folder.path() + "/namespace", "xpu-system").ok());
  ASSERT_TRUE(WriteFileAtomic(folder.path() + "/token", "t1").ok());
  const KubeEndpoint endpoint = InClusterEndpoint(folder.path()).value();
  EXPECT_EQ(endpoint.server, "https://[fd00::1]:443");
  EXPECT_EQ(endpoint.ca_file, folder.path() + "/ca.crt");
  EXPECT_EQ(endpoint.ns, "xpu-system");
  EXPECT_EQ(endpoint.credentials->Get()->token, "t1");
  ASSERT_TRUE(WriteFileAtomic(folder.path() + "/token", "t2").ok());
  EXPECT_EQ(endpoint.credentials->Get()->token, "t2") << "the kubelet renews it in place";
  unsetenv("KUBERNETES_SERVICE_HOST");
  unsetenv("KUBERNETES_SERVICE_PORT");
}

}  // namespace
}  // namespace xpu
