#include "control-plane/xpuctl/manifest.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kBlue[] = R"(apiVersion: xpu.opiproject.org/v1alpha1
kind: Network
metadata:
  name: blue
)";

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() {
    char folder[] = "/tmp/xpu-manifest-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~ManifestTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  absl::StatusOr<std::vector<ManifestObject>> Read(const std::string& text) {
    std::istringstream in(text);
    return ReadManifests({"-"}, in, "team");
  }
  static std::vector<std::string> Names(const std::vector<ManifestObject>& objects) {
    std::vector<std::string> names;
    for (const ManifestObject& object : objects) names.push_back(NameOf(object.object).ToString());
    return names;
  }
  std::string folder_;
};

TEST_F(ManifestTest, ReadsSeveralDocumentsAndFillsInTheNamespace) {
  const auto objects =
      Read(std::string(kBlue) +
           "---\napiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nmetadata: {name: red, "
           "namespace: mine}\n---\n# nothing\n---\n"
           R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})");
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_THAT(Names(*objects), ElementsAre("team/blue", "mine/red", "mine"));
  EXPECT_EQ((*objects)[2].kind->resource.kind, "Namespace");
  EXPECT_THAT((*objects)[1].where, testing::StartsWith("standard input:"));
}

TEST_F(ManifestTest, ListsAreTakenApart) {
  const auto objects = Read(R"({"apiVersion": "v1", "kind": "List", "items": [
      {"apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network", "metadata": {"name": "a"}},
      {"apiVersion": "xpu.opiproject.org/v1alpha1", "kind": "Network", "metadata": {"name": "b"}}]})");
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_THAT(Names(*objects), ElementsAre("team/a", "team/b"));
}

TEST_F(ManifestTest, AFolderStandsForItsManifestsByName) {
  std::string red = kBlue;
  red.replace(red.find("blue"), 4, "red");
  Write("2.yaml", kBlue);
  Write("1.json", R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "first"}})");
  Write("3.yml", red);
  Write("README.md", "not a manifest");
  std::istringstream none;
  const auto objects = ReadManifests({folder_}, none, "team");
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_THAT(Names(*objects), ElementsAre("first", "team/blue", "team/red"));
}

TEST_F(ManifestTest, WhatIsWrongIsSaidWithItsPlace) {
  const std::string good = std::string(kBlue) + "---\n";
  const struct {
    std::string text;
    const char* says;
  } kCases[] = {
      {"a: [", "standard input:"},
      {"just text", "not an object"},
      {good + "kind: Network", "standard input:6: apiVersion is missing"},
      {good + "apiVersion: v1", "kind is missing"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: x}", "no kind v1 Pod; there are "},
      {"apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network", "metadata.name is missing"},
      {R"({"apiVersion": "v1", "kind": "List"})", "items"},
      {R"({"apiVersion": "v1", "kind": "List", "items": [7]})", "not an object"},
      {"", "no object"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = Read(c.text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << c.text;
    EXPECT_THAT(status.message(), HasSubstr(c.says)) << c.text;
  }
}

TEST_F(ManifestTest, MissingFilesAreNamed) {
  std::istringstream none;
  EXPECT_THAT(ReadManifests({folder_ + "/no.yaml"}, none, "x").status().message(), HasSubstr("no.yaml"));
  EXPECT_TRUE(absl::IsNotFound(ReadManifests({folder_}, none, "x").status())) << "an empty folder";
}

}  // namespace
}  // namespace xpu
