// Network definitions that were written for sriov-cni, and what is made of them when its plugin takes our
// place: test/golden/cni. XPU_RENEW_GOLDEN=1 writes the descriptions anew.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "host-agent/cni/cni_config.h"
#include "nlohmann/json.hpp"
#include "yaml-cpp/yaml.h"

namespace xpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The configuration that the first plugin of a definition gets from Multus and the CNI library.
json ConfigOf(const fs::path& definition) {
  const YAML::Node node = YAML::LoadFile(definition.string());
  json network = json::parse(node["spec"]["config"].as<std::string>());
  json config = network.contains("plugins") ? network["plugins"][0] : network;
  config["cniVersion"] = network["cniVersion"];
  config["name"] = network["name"];
  // Of the device that was allocated for the annotation resourceName.
  config["deviceID"] = "0000:03:00.2";
  config["pciBusID"] = "0000:03:00.2";
  return config;
}

std::string OnOff(const std::optional<bool>& value) { return value ? (*value ? "on" : "off") : "as it is"; }

template <class T>
std::string Number(const std::optional<T>& value) {
  return value ? absl::StrCat(*value) : "as it is";
}

std::string Describe(const CniConfig& config) {
  const VfSettings& settings = config.settings;
  std::string text = absl::StrCat(
      "version ", config.cni_version, ", name ", config.name, ", function ", config.device, "\n", "network: ",
      config.vlan ? absl::StrCat("VLAN ", *config.vlan)
                  : absl::StrCat(config.network_namespace, "/", config.network),
      "\n", "addresses: ",
      config.ipam   ? "of " + *config.ipam
      : config.vlan ? "none"
                    : "of the Network",
      "\n", "mac: ", config.mac ? config.mac->ToString() : "the function's own", "\n");
  if (settings.vlan) {
    absl::StrAppend(&text, "vlan: ", settings.vlan->id, ", priority ", settings.vlan->qos, ", protocol ",
                    absl::Hex(settings.vlan->protocol), "\n");
  }
  absl::StrAppend(&text, "spoof check: ", OnOff(settings.spoof_check), ", trust: ", OnOff(settings.trust),
                  ", link state: ",
                  settings.link_state ? absl::StrCat(static_cast<int>(*settings.link_state)) : "as it is",
                  "\n", "rates: ", Number(settings.min_tx_rate), ", ", Number(settings.max_tx_rate), "\n",
                  "log: ", static_cast<int>(config.log.level), " ", config.log.file, "\n");
  return text;
}

TEST(DropIn, DefinitionsForSriovCniWorkWithTheirTypeChangedAndAsTheyAre) {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(XPU_GOLDEN_DIR)) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path());
  }
  ASSERT_GE(files.size(), 6u);
  for (const fs::path& file : files) {
    SCOPED_TRACE(file);
    json config = ConfigOf(file);
    ASSERT_EQ(config["type"], "sriov");
    const auto as_it_is = ParseCniConfig(config.dump(), {.pod_namespace = "default"});
    ASSERT_TRUE(as_it_is.ok()) << as_it_is.status();
    config["type"] = "xpu-cni";
    const auto changed = ParseCniConfig(config.dump(), {.pod_namespace = "default"});
    ASSERT_TRUE(changed.ok()) << changed.status();
    EXPECT_EQ(Describe(*as_it_is), Describe(*changed));

    const fs::path golden = fs::path(file).replace_extension(".txt");
    if (getenv("XPU_RENEW_GOLDEN") != nullptr) std::ofstream(golden) << Describe(*changed);
    std::ifstream stream(golden);
    ASSERT_TRUE(stream) << golden << " is not there; XPU_RENEW_GOLDEN=1 writes it";
    std::ostringstream expected;
    expected << stream.rdbuf();
    EXPECT_EQ(Describe(*changed), expected.str());
  }
}

// The texts between "```LANGUAGE" and "```".
std::vector<std::string> ExamplesIn(const fs::path& document, const std::string& language) {
  std::ifstream stream(document);
  std::vector<std::string> examples;
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line == "```" + language) {
      inside = true;
      examples.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      examples.back() += line + "\n";
    }
  }
  return examples;
}

TEST(DropIn, ExamplesInTheDocumentsAreGood) {
  std::vector<json> configs;
  for (const std::string& text : ExamplesIn(XPU_DOCS_DIR "/reference/cni-configuration.md", "json")) {
    configs.push_back(json::parse(text));
  }
  for (const std::string& text : ExamplesIn(XPU_DOCS_DIR "/guide/replacing-sriov-cni.md", "yaml")) {
    configs.push_back(json::parse(YAML::Load(text)["spec"]["config"].as<std::string>()));
  }
  ASSERT_EQ(configs.size(), 3u);
  for (json& config : configs) {
    config["deviceID"] = "0000:03:00.2";
    EXPECT_TRUE(ParseCniConfig(config.dump(), {}).ok()) << ParseCniConfig(config.dump(), {}).status();
  }
}

}  // namespace
}  // namespace xpu
