#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/api/kindgen/crd.h"
#include "common/api/kindgen/declaration.h"
#include "common/api/kindgen/page.h"
#include "common/api/yaml.h"

namespace {

constexpr char kMadeBy[] =
    "Made from proto/xpu/api by xpu-kindgen. Change it there, then run ./dev generate.";

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Paths below the root of the sources, and what is in them.
std::map<std::string, std::string> Generate(const xpu::api::Declarations& declarations) {
  std::map<std::string, std::string> files;
  for (const xpu::api::KindInfo& kind : declarations.kinds()) {
    files[absl::StrCat("packaging/k8s/crds/", kind.resource.plural, ".yaml")] =
        absl::StrCat("# ", kMadeBy, "\n", xpu::api::JsonToYaml(xpu::api::MakeCrd(kind)));
    files[absl::StrCat("docs/reference/", kind.singular, ".md")] =
        absl::StrCat("<!-- ", kMadeBy, " -->\n\n", xpu::api::MakePage(kind));
  }
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Makes CRDs and reference pages from the declarations of the kinds"};
  std::string descriptors;
  std::string root;
  bool check = false;
  app.add_option("--descriptors", descriptors, "descriptor set with imports and source info")->required();
  app.add_option("--root", root, "root of the sources")->required();
  app.add_flag("--check", check, "write nothing, say which files are not what they should be");
  CLI11_PARSE(app, argc, argv);

  absl::StatusOr<xpu::api::Declarations> declarations = xpu::api::Declarations::Read(ReadFile(descriptors));
  if (!declarations.ok()) {
    std::cerr << descriptors << ": " << declarations.status().message() << "\n";
    return 2;
  }
  int stale = 0;
  for (const auto& [name, text] : Generate(*declarations)) {
    std::filesystem::path path = std::filesystem::path(root) / name;
    if (ReadFile(path) == text) continue;
    if (check) {
      std::cerr << name << " is not what proto/xpu/api says; run ./dev generate\n";
      ++stale;
      continue;
    }
    std::filesystem::create_directories(path.parent_path());
    if (!(std::ofstream(path, std::ios::binary) << text).flush()) {
      std::cerr << path.string() << " cannot be written\n";
      return 2;
    }
    std::cout << "wrote " << name << "\n";
  }
  return stale == 0 ? 0 : 1;
}
