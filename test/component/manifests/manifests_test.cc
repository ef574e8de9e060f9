// The manifests say what the programs understand, and what they refer to is there.

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/sys/files.h"
#include "common/sys/process.h"
#include "control-plane/broker/broker_config.h"
#include "device-plugin/pool_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/provision/host_config.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

struct Manifest {
  std::string file;
  json object;

  std::string kind() const { return object.value("kind", ""); }
  std::string name() const { return object["metadata"].value("name", ""); }
  std::string ns() const { return object["metadata"].value("namespace", ""); }
  std::string ToString() const { return absl::StrCat(file, ": ", kind(), " ", ns(), "/", name()); }
};

std::vector<Manifest> All() {
  std::vector<Manifest> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(XPU_MANIFESTS)) {
    const std::string path = entry.path();
    if (!absl::EndsWith(path, ".yaml") || absl::StrContains(path, "/crds/")) continue;
    if (entry.path().filename() == "kustomization.yaml") continue;
    const auto documents = api::YamlToJson(ReadFile(path).value(), path);
    EXPECT_TRUE(documents.ok()) << documents.status();
    for (const api::YamlDocument& document : *documents)
      all.push_back({entry.path().filename(), document.value});
  }
  return all;
}

std::vector<Manifest> OfKind(const std::string& kind) {
  std::vector<Manifest> some = All();
  std::erase_if(some, [&](const Manifest& manifest) { return manifest.kind() != kind; });
  EXPECT_FALSE(some.empty()) << kind;
  return some;
}

std::vector<Manifest> Workloads() {
  std::vector<Manifest> some = OfKind("DaemonSet");
  for (Manifest& manifest : OfKind("Deployment")) some.push_back(std::move(manifest));
  return some;
}

const json& PodOf(const Manifest& workload) { return workload.object["spec"]["template"]["spec"]; }

// One of the files of a ConfigMap.
std::string FileOf(const std::string& config_map, const std::string& key) {
  for (const Manifest& manifest : OfKind("ConfigMap")) {
    if (manifest.name() == config_map) return manifest.object["data"].value(key, "");
  }
  return "";
}

TEST(ManifestsTest, ProgramsKnowTheFlagsThatTheyAreGiven) {
  for (const Manifest& workload : Workloads()) {
    const json& container = PodOf(workload)["containers"][0];
    const std::string program = container["name"];
    EXPECT_EQ(program, workload.name());
    const auto help = RunProgram({.argv = {absl::StrCat(XPU_BIN_DIR, "/", program), "--help"}},
                                 absl::Now() + absl::Seconds(30));
    ASSERT_TRUE(help.ok()) << help.status();
    const std::vector<std::string> words = absl::StrSplit(*help, absl::ByAnyChar(" ,\n"), absl::SkipEmpty());
    for (const std::string argument : container["args"]) {
      const std::string flag = argument.substr(0, argument.find('='));
      EXPECT_THAT(words, ::testing::Contains(flag)) << workload.ToString();
    }
  }
}

TEST(ManifestsTest, WhatIsMountedIsThereAndWhatIsReadIsMounted) {
  for (const Manifest& workload : Workloads()) {
    const json& pod = PodOf(workload);
    std::set<std::string> volumes;
    for (const json& volume : pod["volumes"]) volumes.insert(volume["name"]);
    std::vector<std::string> mounts;
    for (const json& mount : pod["containers"][0]["volumeMounts"]) {
      EXPECT_TRUE(volumes.contains(mount["name"])) << workload.ToString() << " " << mount;
      mounts.push_back(mount["mountPath"]);
    }
    for (const std::string argument : pod["containers"][0]["args"]) {
      const size_t at = argument.find("=/");
      if (at == std::string::npos) continue;
      const std::string path = argument.substr(at + 1);
      EXPECT_TRUE(std::any_of(mounts.begin(), mounts.end(),
                              [&](const std::string& mount) { return absl::StartsWith(path, mount + "/"); }))
          << workload.ToString() << " reads " << path;
    }
    EXPECT_EQ(workload.object["spec"]["selector"]["matchLabels"],
              workload.object["spec"]["template"]["metadata"]["labels"]);
  }
}

TEST(ManifestsTest, WhoeverAsksTheApiServerHasAnAccountAndARoleAndNobodyElseHas) {
  std::set<std::string> accounts, bound, roles;
  for (const Manifest& account : OfKind("ServiceAccount")) {
    accounts.insert(account.ns() + "/" + account.name());
    // Only the pods that need one get a token.
    EXPECT_EQ(account.object["automountServiceAccountToken"], false) << account.ToString();
  }
  for (const char* kind : {"Role", "ClusterRole"}) {
    for (const Manifest& role : OfKind(kind)) {
      roles.insert(absl::StrCat(kind, " ", role.ns(), "/", role.name()));
      for (const json& rule : role.object["rules"]) {
        EXPECT_EQ(rule.dump().find('*'), std::string::npos) << role.ToString();
        EXPECT_EQ(rule.dump().find("secrets"), std::string::npos) << role.ToString();
      }
    }
  }
  for (const char* kind : {"RoleBinding", "ClusterRoleBinding"}) {
    for (const Manifest& binding : OfKind(kind)) {
      const json& ref = binding.object["roleRef"];
      EXPECT_TRUE(roles.contains(absl::StrCat(ref["kind"].get<std::string>(), " ", binding.ns(), "/",
                                              ref["name"].get<std::string>())))
          << binding.ToString();
      for (const json& subject : binding.object["subjects"]) {
        if (subject["kind"] != "ServiceAccount") continue;
        bound.insert(absl::StrCat(subject.value("namespace", ""), "/", subject.value("name", "")));
      }
    }
  }
  EXPECT_EQ(bound, accounts);
  for (const Manifest& workload : Workloads()) {
    const json& pod = PodOf(workload);
    const bool asks =
        absl::StrContains(workload.object.dump(), "in-cluster") || workload.name() == "xpu-broker";
    EXPECT_EQ(pod["automountServiceAccountToken"], asks) << workload.ToString();
    if (asks) {
      EXPECT_TRUE(accounts.contains(absl::StrCat(workload.ns(), "/", pod.value("serviceAccountName", ""))));
    }
  }
}

TEST(ManifestsTest, ConfigurationsAreRight) {
  EXPECT_TRUE(ReadHostConfig(FileOf("xpu-host-agent", "host-agent.yaml"), "host-agent.yaml").ok());
  const auto broker = broker::ReadBrokerConfig(FileOf("xpu-broker", "broker.yaml"), "broker.yaml");
  ASSERT_TRUE(broker.ok()) << broker.status();
  EXPECT_EQ(broker->target.kubeconfig, "in-cluster");
  EXPECT_TRUE(ParsePoolConfigs(FileOf("xpu-device-plugin", "config.json"), {}).ok());
}

// What the broker's roles name is what its policies copy, neither more nor less.
TEST(ManifestsTest, TheBrokersRolesAreOfThePoliciesKinds) {
  const auto config = broker::ReadBrokerConfig(FileOf("xpu-broker", "broker.yaml"), "broker.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  std::set<std::string> copied;
  for (const auto& sync : config->syncs) {
    copied.insert(absl::StrCat(sync.kind.group, "/", sync.kind.plural));
    for (const auto& names : sync.namespaces) {
      EXPECT_EQ(names.source, "tenant-a");
      EXPECT_EQ(names.target, "tenant-a");
    }
  }
  for (const Manifest& role : OfKind("Role")) {
    std::set<std::string> named;
    for (const json& rule : role.object["rules"]) {
      for (const std::string resource : rule["resources"]) {
        if (resource == "events" || resource == "leases" || absl::StrContains(resource, '/')) continue;
        named.insert(absl::StrCat(rule["apiGroups"][0].get<std::string>(), "/", resource));
      }
    }
    EXPECT_EQ(named, copied) << role.ToString();
  }
}

TEST(ManifestsTest, NetworkDefinitionsAreWhatTheCniPluginTakes) {
  for (const Manifest& definition : OfKind("NetworkAttachmentDefinition")) {
    // What Multus adds.
    json text = json::parse(definition.object["spec"]["config"].get<std::string>());
    text["deviceID"] = "0000:03:00.2";
    const auto config =
        ParseCniConfig(text.dump(), CniArgs{.pod_namespace = definition.ns(), .pod_name = "web"});
    EXPECT_TRUE(config.ok()) << definition.ToString() << ": " << config.status();
    const std::string resource =
        definition.object["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"];
    EXPECT_THAT(FileOf("xpu-device-plugin", "config.json"),
                HasSubstr(absl::StrCat("\"", resource.substr(resource.find('/') + 1), "\"")));
  }
}

TEST(ManifestsTest, TheWebhookIsAskedAboutEveryKindOfOurs) {
  std::set<std::string> ours, asked;
  for (const api::KindInfo& kind : api::AllKinds()) {
    if (kind.resource.group != "xpu.opiproject.org") continue;
    ours.insert(kind.resource.plural);
    if (kind.has_status) ours.insert(kind.resource.plural + "/status");
  }
  const json webhook = OfKind("ValidatingWebhookConfiguration")[0].object["webhooks"][0];
  for (const std::string resource : webhook["rules"][0]["resources"]) asked.insert(resource);
  EXPECT_EQ(asked, ours);
  const json& service = webhook["clientConfig"]["service"];
  EXPECT_EQ(OfKind("Service")[0].name(), service["name"]);
  EXPECT_EQ(OfKind("Service")[0].ns(), service["namespace"]);
}

// `kubectl apply -k` of any folder takes all that is in it, and what is named is there.
TEST(ManifestsTest, KustomizationsNameAllThatIsBesideThem) {
  int folders = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(XPU_MANIFESTS)) {
    if (entry.path().filename() != "kustomization.yaml") continue;
    ++folders;
    const std::filesystem::path folder = entry.path().parent_path();
    const auto documents = api::YamlToJson(ReadFile(entry.path()).value(), entry.path().string());
    ASSERT_TRUE(documents.ok()) << documents.status();
    ASSERT_EQ(documents->size(), 1u);
    std::set<std::string> named, there;
    for (const std::string resource : documents->at(0).value["resources"]) {
      named.insert(resource);
    }
    // That of one cluster is made of three others; what is beside them in its folder are examples.
    const bool is_whole = folder == XPU_MANIFESTS;
    for (const char* below : {"crds", "dpu", "host"}) {
      for (const auto& file : std::filesystem::directory_iterator(is_whole ? folder / below : folder)) {
        const std::string name = file.path().filename();
        if (!absl::EndsWith(name, ".yaml") || name == "kustomization.yaml") continue;
        there.insert(is_whole ? absl::StrCat(below, "/", name) : name);
      }
    }
    EXPECT_EQ(named, there) << folder;
  }
  EXPECT_EQ(folders, 6);
}

TEST(ManifestsTest, ImagesComeFromWhereverTheClusterSays) {
  for (const Manifest& workload : Workloads()) {
    for (const json& container : PodOf(workload)["containers"]) {
      EXPECT_EQ(container["image"], container["name"]) << workload.ToString();
    }
  }
}

// What is there once for the whole cluster outlives a machine, and has no rights on the one that it runs on.
TEST(ManifestsTest, ProcessesOfTheWholeClusterFailOverAndAreConfined) {
  const std::vector<Manifest> budgets = OfKind("PodDisruptionBudget");
  const std::vector<Manifest> deployments = OfKind("Deployment");
  EXPECT_EQ(budgets.size(), deployments.size());
  for (const Manifest& deployment : deployments) {
    const json& spec = deployment.object["spec"];
    const json& pod = PodOf(deployment);
    EXPECT_GE(spec["replicas"], 2) << deployment.ToString();
    EXPECT_TRUE(pod["affinity"].contains("podAntiAffinity")) << deployment.ToString();
    EXPECT_EQ(pod["securityContext"]["runAsNonRoot"], true) << deployment.ToString();
    EXPECT_EQ(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault") << deployment.ToString();
    const json& container = pod["containers"][0];
    EXPECT_TRUE(container.contains("readinessProbe") && container.contains("livenessProbe"))
        << deployment.ToString();
    EXPECT_TRUE(container["resources"]["limits"].contains("memory")) << deployment.ToString();
    const json confined = {{"readOnlyRootFilesystem", true},
                           {"allowPrivilegeEscalation", false},
                           {"capabilities", {{"drop", {"ALL"}}}}};
    EXPECT_EQ(container["securityContext"], confined) << deployment.ToString();
    for (const json& volume : pod["volumes"])
      EXPECT_FALSE(volume.contains("hostPath")) << deployment.ToString();
    EXPECT_TRUE(std::any_of(budgets.begin(), budgets.end(), [&](const Manifest& budget) {
      return budget.ns() == deployment.ns() && budget.object["spec"]["selector"] == spec["selector"] &&
             budget.object["spec"]["minAvailable"] < spec["replicas"];
    })) << deployment.ToString();
  }
}

// A probe runs the program with the very flag that says where the process is asked.
TEST(ManifestsTest, TheBrokersProbesAskWhereItAnswers) {
  for (const Manifest& deployment : OfKind("Deployment")) {
    const json& container = PodOf(deployment)["containers"][0];
    for (const char* probe : {"readinessProbe", "livenessProbe"}) {
      if (!container[probe].contains("exec")) continue;
      const std::vector<std::string> command = container[probe]["exec"]["command"];
      EXPECT_EQ(command.front(), deployment.name());
      EXPECT_EQ(command.back(), "--probe");
      EXPECT_THAT(container["args"].get<std::vector<std::string>>(), ::testing::Contains(command[1]));
    }
  }
}

}  // namespace
}  // namespace xpu
